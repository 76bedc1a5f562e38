//! A person who signs in with this machine's browser, which a thread of the test's plays.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use defender_auth::{AuthorizationCodeCredential, Error, ErrorKind, IntoCredential, TokenCredential, TokenRequest};
use defender_transport::{
    Clock,
    testing::{Capture, ManualClock},
};
use sha2::Digest;

use crate::support::{all_of, answering, context, form, parameters};

const GRANTED: &str =
    r#"{"token_type":"Bearer","expires_in":3599,"access_token":"the-token","refresh_token":"the-refresh"}"#;

/// Parameters of the URL that the browser was given.
struct Opened {
    url: String,
    query: BTreeMap<String, String>,
}

impl Opened {
    fn new(url: &str) -> Self {
        let (url, query) = url.split_once('?').unwrap();
        Self { url: url.to_owned(), query: parameters(query) }
    }

    fn port(&self) -> u16 {
        self.query["redirect_uri"].strip_prefix("http://localhost:").unwrap().parse().unwrap()
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).unwrap()
    }

    /// Sends `target` and gives the whole response.
    fn visit(&self, target: &str) -> String {
        let mut stream = self.connect();
        // In two pieces, as a network may cut it.
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let (one, two) = request.split_at(request.len() / 2);
        stream.write_all(one.as_bytes()).unwrap();
        stream.flush().unwrap();
        stream.write_all(two.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }
}

/// Signs in with a browser that does `acts`; gives the outcome, and what the browser was given.
async fn signed_in(
    transport: &Capture,
    acts: impl Fn(&Opened) + Send + Sync + 'static,
) -> (Result<defender_auth::AccessToken, Error>, Opened) {
    let (acts, opened) = (Arc::new(acts), Arc::new(Mutex::new(None)));
    let given = Arc::clone(&opened);
    let credential = AuthorizationCodeCredential::new("contoso.com", "the-client", move |url| {
        let (acts, browser) = (Arc::clone(&acts), Opened::new(url));
        let thread = std::thread::spawn(move || {
            acts(&browser);
            browser
        });
        *given.lock().unwrap() = Some(thread);
        Ok(())
    });
    let credential = credential.into_credential(&context(transport, &ManualClock::new())).unwrap();
    let outcome = credential.token(&TokenRequest::new()).await;
    let opened = opened.lock().unwrap().take().unwrap().join().unwrap();
    (outcome, opened)
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_follows_entra_documentation() {
    let transport = answering(200, GRANTED);
    let (token, opened) = signed_in(&transport, |browser| {
        let page = browser.visit(&format!("/?code=the-code&state={}", browser.query["state"]));
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("You are signed in"), "{page}");
        assert!(page.contains("no-store") && !page.contains("the-code"), "{page}");
    })
    .await;
    assert_eq!(token.unwrap().secret(), "the-token");

    assert_eq!(opened.url, "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/authorize");
    let query = &opened.query;
    assert_eq!(query["client_id"], "the-client");
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["response_mode"], "query");
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["scope"], "https://api.securitycenter.microsoft.com/.default offline_access");
    assert!(query["state"].len() >= 22);

    let form = form(&transport.only_request());
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!((&*form["code"], &*form["client_id"]), ("the-code", "the-client"));
    assert_eq!(form["redirect_uri"], query["redirect_uri"]);
    assert_eq!(form["scope"], query["scope"]);
    assert_eq!(URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(&form["code_verifier"])), query["code_challenge"]);
    assert!(!form.contains_key("client_secret"));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, opened.port())).is_err(), "the listener is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn unrelated_browser_request_leaves_sign_in_running() {
    let transport = answering(200, GRANTED);
    let (token, _) = signed_in(&transport, |browser| {
        let _idle: Vec<_> = (0..20).map(|_| browser.connect()).collect();
        let state = &browser.query["state"];
        for target in [
            "/favicon.ico".to_owned(),
            "/?code=evil&state=guessed".to_owned(),
            "/?error=access_denied&state=guessed".to_owned(),
            "/?code=evil".to_owned(),
            format!("/?code=evil&state=guessed&state={state}"),
            format!("/?state={state}"),
            format!("/elsewhere?code=evil&state={state}"),
        ] {
            assert!(browser.visit(&target).starts_with("HTTP/1.1 404"), "{target}");
        }
        let mut garbage = browser.connect();
        // It is cut off once it is too long, so the writing may fail.
        let _cut = garbage.write_all(&vec![b'x'; 1 << 20]);
        browser.visit(&format!("/?state={state}&session_state=s&code=the-code"));
    })
    .await;
    token.unwrap();
    assert_eq!(form(&transport.only_request())["code"], "the-code");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_is_reported_but_not_in_page() {
    let transport = answering(200, GRANTED);
    let (outcome, opened) = signed_in(&transport, |browser| {
        let state = &browser.query["state"];
        let page = browser.visit(&format!(
            "/?error=access_denied&error_description=AADSTS65004%3A+%3Cscript%3E+{state}&state={state}"
        ));
        assert!(page.contains("You are not signed in") && !page.contains("script"), "{page}");
    })
    .await;
    let error = outcome.unwrap_err();
    assert_eq!(error.entra().unwrap().error(), "access_denied");
    assert!(error.to_string().contains("AADSTS65004") && !all_of(&error).contains(&opened.query["state"]), "{error}");
    assert!(transport.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_error_shows_code_or_verifier() {
    let transport = Capture::with(|request| {
        let form = form(request);
        let body =
            format!(r#"{{"error":"invalid_grant","error_description":"{} {}"}}"#, form["code"], form["code_verifier"]);
        Ok(http::Response::builder().status(400).body(body.into()).unwrap())
    });
    let (outcome, _) = signed_in(&transport, |browser| {
        browser.visit(&format!("/?code=the-code&state={}", browser.query["state"]));
    })
    .await;
    let shown = all_of(&outcome.unwrap_err());
    assert!(
        !shown.contains("the-code") && !shown.contains(&form(&transport.only_request())["code_verifier"]),
        "{shown}"
    );
}

#[tokio::test]
async fn closed_browser_or_absent_person_is_error() {
    let clock = ManualClock::new();
    let transport = answering(200, GRANTED);
    let connect = |opens: bool| {
        AuthorizationCodeCredential::new("contoso.com", "the-client", move |_| {
            if opens { Ok(()) } else { Err(std::io::ErrorKind::NotFound.into()) }
        })
        .into_credential(&context(&transport, &clock))
        .unwrap()
    };
    let error = connect(false).token(&TokenRequest::new()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::SignIn && error.to_string().contains("could not be opened"), "{error}");

    let credential: Arc<dyn TokenCredential> = connect(true);
    let ask = TokenRequest::new();
    let time_passes = async {
        while clock.sleeping() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(300));
    };
    let (outcome, ()) = tokio::join!(credential.token(&ask), time_passes);
    assert!(outcome.unwrap_err().to_string().contains("within five minutes"));
    assert_eq!(clock.elapsed(), Duration::from_secs(300));
    assert!(transport.requests().is_empty());
}
