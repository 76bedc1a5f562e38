//! A person who enters a code on another device.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use defender_auth::{
    DeviceCodeCredential, ErrorKind, IntoCredential, MemoryTokenStore, RefreshToken, TokenCredential, TokenStore,
};
use defender_transport::{
    Body, Clock, Error as WireError, ErrorKind as WireKind,
    testing::{Capture, ManualClock},
};
use http::Response;

use crate::support::{all_of, ask, context, form};

const CODE: &str = r#"{"device_code":"the-device-code","user_code":"ABCD","verification_uri":"https://microsoft.com/devicelogin",
    "expires_in":900,"interval":5,"message":"Open https://microsoft.com/devicelogin and enter ABCD."}"#;
const GRANTED: &str =
    r#"{"token_type":"Bearer","expires_in":3599,"access_token":"the-token","refresh_token":"the-refresh"}"#;
const DOWN: &str = "down";

fn error(word: &str) -> String {
    format!(r#"{{"error":"{word}","error_description":"AADSTS70016: the-device-code {word}."}}"#)
}

/// Gives `code` to the first request, and then each of `looks` in turn; every look that is left over finds it pending.
fn transport(code: &'static str, looks: impl IntoIterator<Item = String>) -> Capture {
    let looks = Mutex::new(VecDeque::from_iter(looks));
    Capture::with(move |request| {
        if request.uri().path().ends_with("/devicecode") {
            return Ok(Response::new(Body::from(code)));
        }
        let look = looks.lock().unwrap().pop_front().unwrap_or_else(|| error("authorization_pending"));
        if look == DOWN {
            return Err(WireError::new(WireKind::Connect));
        }
        let status = if look.contains("error") { 400 } else { 200 };
        Ok(Response::builder().status(status).body(Body::from(look)).unwrap())
    })
}

type Prompts = Arc<Mutex<Vec<String>>>;

fn credential(transport: &Capture, clock: &ManualClock) -> (Arc<dyn TokenCredential>, Prompts) {
    stored(transport, clock, MemoryTokenStore::new())
}

fn stored(
    transport: &Capture,
    clock: &ManualClock,
    store: impl TokenStore + 'static,
) -> (Arc<dyn TokenCredential>, Prompts) {
    let prompts = Prompts::default();
    let shown = Arc::clone(&prompts);
    let credential = DeviceCodeCredential::new("contoso.com", "the-client", move |prompt| {
        assert!(!format!("{prompt:?}").contains("ABCD"));
        shown.lock().unwrap().push(prompt.message.clone());
    });
    (credential.store(store).into_credential(&context(transport, clock)).unwrap(), prompts)
}

#[tokio::test]
async fn the_person_is_asked_and_waited_for() {
    let looks = [error("authorization_pending"), error("slow_down"), DOWN.to_owned(), GRANTED.to_owned()];
    let (transport, clock) = (transport(CODE, looks), ManualClock::new());
    let (credential, prompts) = credential(&transport, &clock);
    let token = ask(&credential, &clock).await.unwrap();
    assert_eq!(token.secret(), "the-token");
    assert_eq!(*prompts.lock().unwrap(), ["Open https://microsoft.com/devicelogin and enter ABCD."]);
    // 5 s, 5 s, 10 s after `slow_down`, and 20 s after the transport was down.
    assert_eq!(clock.elapsed(), Duration::from_secs(5 + 5 + 10 + 20));
    let requests = transport.requests();
    assert_eq!(requests[0].uri(), "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/devicecode");
    let first = form(&requests[0]);
    assert_eq!(first["client_id"], "the-client");
    assert_eq!(first["scope"], "https://api.securitycenter.microsoft.com/.default offline_access");
    let look = form(&requests[1]);
    assert_eq!(look["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
    assert_eq!((&*look["device_code"], &*look["client_id"], look.len()), ("the-device-code", "the-client", 3));
}

#[tokio::test]
async fn sign_in_is_refreshed_without_person() {
    let (transport, clock) = (transport(CODE, [GRANTED.to_owned(), GRANTED.to_owned()]), ManualClock::new());
    let (credential, prompts) = credential(&transport, &clock);
    ask(&credential, &clock).await.unwrap();
    clock.advance(Duration::from_secs(3_600));
    ask(&credential, &clock).await.unwrap();
    assert_eq!(prompts.lock().unwrap().len(), 1);
    assert_eq!(form(&transport.requests()[2])["refresh_token"], "the-refresh");
}

#[tokio::test]
async fn stored_sign_in_is_used_until_expired() {
    let store = || MemoryTokenStore::with(RefreshToken::new("kept"));
    let (live, clock) = (transport(CODE, [GRANTED.to_owned()]), ManualClock::new());
    let (credential, prompts) = stored(&live, &clock, store());
    ask(&credential, &clock).await.unwrap();
    assert!(prompts.lock().unwrap().is_empty());

    let ended = transport(CODE, [error("invalid_grant"), GRANTED.to_owned()]);
    let (credential, prompts) = stored(&ended, &clock, store());
    ask(&credential, &clock).await.unwrap();
    assert_eq!((prompts.lock().unwrap().len(), ended.requests().len()), (1, 3));

    let misconfigured = transport(CODE, [error("invalid_client")]);
    let (credential, prompts) = stored(&misconfigured, &clock, store());
    assert_eq!(ask(&credential, &clock).await.unwrap_err().kind(), ErrorKind::Refused);
    assert!(prompts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn throttled_refresh_asks_nobody_to_sign_in() {
    for number in [50_196, 50_033, 90_006, 90_024, 90_033] {
        let throttled = format!(r#"{{"error":"invalid_grant","error_codes":[{number}]}}"#);
        let (transport, clock) = (transport(CODE, vec![throttled; 5]), ManualClock::new());
        let (credential, prompts) = stored(&transport, &clock, MemoryTokenStore::with(RefreshToken::new("kept")));
        let error = ask(&credential, &clock).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Refused, true), "{number}");
        assert!(prompts.lock().unwrap().is_empty() && !error.entra().unwrap().needs_sign_in(), "{number}");
        // A loop of requests is the very reason of the first.
        assert_eq!(transport.requests().len(), if number == 50_196 { 1 } else { 5 }, "{number}");
    }
}

#[tokio::test]
async fn valid_token_is_refreshed_without_prompt() {
    let looks = [GRANTED.to_owned(), error("invalid_grant"), error("invalid_grant"), GRANTED.to_owned()];
    let (transport, clock) = (transport(CODE, looks), ManualClock::new());
    let (credential, prompts) = credential(&transport, &clock);
    ask(&credential, &clock).await.unwrap();
    for (later, asked) in [(3_400, 1), (300, 2)] {
        clock.advance(Duration::from_secs(later));
        ask(&credential, &clock).await.unwrap();
        assert_eq!(prompts.lock().unwrap().len(), asked, "{later}");
    }
}

#[tokio::test]
async fn declined_or_expired_code_is_error() {
    for (word, kind) in [
        ("authorization_declined", ErrorKind::Declined),
        ("access_denied", ErrorKind::Declined),
        ("expired_token", ErrorKind::Refused),
        ("bad_verification_code", ErrorKind::Refused),
    ] {
        let (transport, clock) = (transport(CODE, [error(word)]), ManualClock::new());
        let error = ask(&credential(&transport, &clock).0, &clock).await.unwrap_err();
        assert_eq!((error.kind(), error.entra().unwrap().error()), (kind, word));
        assert!(!all_of(&error).contains("the-device-code"), "{error}");
    }
    let (transport, clock) = (transport(CODE, []), ManualClock::new());
    let error = ask(&credential(&transport, &clock).0, &clock).await.unwrap_err();
    assert_eq!((error.kind(), clock.elapsed().as_secs()), (ErrorKind::SignIn, 900));
}

#[tokio::test]
async fn extreme_interval_and_lifetime_are_clamped() {
    let odd = r#"{"device_code":"d","user_code":"u","verification_url":"https://x/","expires_in":1000000000000000000,"interval":0}"#;
    let (first, clock) = (transport(odd, [GRANTED.to_owned()]), ManualClock::new());
    let (credential, prompts) = credential(&first, &clock);
    ask(&credential, &clock).await.unwrap();
    assert_eq!(clock.elapsed(), Duration::from_secs(1));
    assert!(prompts.lock().unwrap()[0].contains("https://x/ in a browser and enter the code u"));

    let (second, clock) = (transport(odd, []), ManualClock::new());
    let error = ask(&self::credential(&second, &clock).0, &clock).await.unwrap_err();
    assert_eq!((error.kind(), clock.elapsed().as_secs()), (ErrorKind::SignIn, 3_600));
}

#[tokio::test]
async fn prompt_has_no_terminal_control_characters() {
    const HOSTILE: &str = r#"{"device_code":"d","user_code":"AB\u001b[2JCD","verification_uri":"https://x.example/\u001b[31m",
        "expires_in":900,"interval":5,"message":"Open it\u001b]0;x\u0007\r\n\u202eand enter ABCD."}"#;
    let (transport, clock) = (transport(HOSTILE, [GRANTED.to_owned()]), ManualClock::new());
    let prompts = Prompts::default();
    let shown = Arc::clone(&prompts);
    let credential = DeviceCodeCredential::new("contoso.com", "the-client", move |prompt| {
        shown.lock().unwrap().extend([&prompt.message, &prompt.user_code, &prompt.verification_uri].map(String::clone));
    });
    ask(&credential.into_credential(&context(&transport, &clock)).unwrap(), &clock).await.unwrap();
    let prompts = prompts.lock().unwrap();
    assert!(prompts.len() == 3 && prompts[0].contains("and enter ABCD."), "{prompts:?}");
    assert!(!prompts.concat().contains(['\u{1b}', '\u{7}', '\r', '\n', '\u{202e}']), "{prompts:?}");
}
