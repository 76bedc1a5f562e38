//! JSON as gateways, editors and other people's servers send it, and secrets as files hold them.

use std::sync::Arc;

use defender_auth::{
    ClientSecretCredential, Error, ErrorKind, IntoCredential, ManagedIdentityCredential, OnBehalfOfCredential,
    RefreshToken, RefreshTokenCredential, StaticCredential, TokenCredential, TokenStore,
};
use defender_transport::testing::{Capture, ManualClock};
use http::Response;

use crate::support::{TOKEN, ask, context, form};

const REFUSAL: &str =
    r#"{"error":"invalid_client","error_description":"AADSTS7000215: Wrong.","error_codes":[7000215]}"#;
const OF_IMDS: &str =
    r#"{"access_token":"the-token","expires_in":"86399","expires_on":"1767355199","token_type":"Bearer"}"#;

/// A body with a byte order mark, and in the other forms in which text is met.
fn forms_of(json: &str) -> Vec<Vec<u8>> {
    let utf_16 = json.encode_utf16().flat_map(u16::to_le_bytes);
    vec![
        json.as_bytes().to_vec(),
        format!("\u{feff}{json}").into_bytes(),
        format!("\r\n{json}\r\n\0").into_bytes(),
        [0xff, 0xfe].into_iter().chain(utf_16).collect(),
    ]
}

const CONTENT_TYPES: [Option<&str>; 9] = [
    None,
    Some("application/json"),
    Some("application/json; charset=utf-8"),
    Some("text/json"),
    Some("text/html"),
    Some("text/plain; charset=us-ascii"),
    Some("application/octet-stream"),
    Some("application/problem+json"),
    Some("nonsense"),
];

fn transport(status: u16, kind: Option<&str>, body: Vec<u8>) -> Capture {
    let response = Response::builder().status(status);
    let response = kind.into_iter().fold(response, |response, kind| response.header("content-type", kind));
    Capture::answering(response.body(bytes::Bytes::from(body)).unwrap())
}

type Connecting = fn(&defender_auth::CredentialContext) -> Result<Arc<dyn TokenCredential>, Error>;

#[tokio::test]
async fn json_is_read_under_any_content_type() {
    let credentials: [(&str, &str, Connecting); 4] = [
        ("secret", TOKEN, |context| {
            ClientSecretCredential::new("contoso.com", "the-client", "secret").into_credential(context)
        }),
        ("on behalf of", TOKEN, |context| {
            let application = ClientSecretCredential::new("contoso.com", "the-client", "secret");
            OnBehalfOfCredential::with_secret(application, "user").into_credential(context)
        }),
        ("refresh", TOKEN, |context| {
            let store = defender_auth::MemoryTokenStore::with(RefreshToken::new("refresh"));
            RefreshTokenCredential::new("contoso.com", "the-client", store).into_credential(context)
        }),
        ("IMDS", OF_IMDS, |context| {
            ManagedIdentityCredential::system_assigned().at_imds("http://169.254.169.254").into_credential(context)
        }),
    ];
    for (name, granted, connect) in credentials {
        for kind in CONTENT_TYPES {
            tokio::task::yield_now().await; // tokio lets nobody go on for ever.
            for body in forms_of(granted) {
                let clock = ManualClock::new();
                let credential = connect(&context(&transport(200, kind, body.clone()), &clock)).unwrap();
                let token = ask(&credential, &clock).await;
                assert_eq!(
                    token.map(|token| token.secret().to_owned()).ok().as_deref(),
                    Some("the-token"),
                    "{name} {kind:?} {body:?}"
                );
            }
            for body in forms_of(REFUSAL) {
                let clock = ManualClock::new();
                let credential = connect(&context(&transport(400, kind, body.clone()), &clock)).unwrap();
                let error = ask(&credential, &clock).await.unwrap_err();
                assert_eq!(
                    error.entra().and_then(defender_auth::EntraError::aadsts),
                    Some(7_000_215),
                    "{name} {kind:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn html_page_is_never_a_token() {
    for kind in CONTENT_TYPES {
        let clock = ManualClock::new();
        let transport = transport(200, kind, b"<html>Sign in</html>".to_vec());
        let credential = ClientSecretCredential::new("contoso.com", "the-client", "secret")
            .into_credential(&context(&transport, &clock));
        let error = ask(&credential.unwrap(), &clock).await.unwrap_err();
        assert_eq!((error.kind(), transport.requests().len()), (ErrorKind::Response, 1), "{kind:?}");
    }
}

#[tokio::test]
async fn newline_around_a_secret_is_not_sent() {
    for given in ["s3cr~t", "s3cr~t\n", "s3cr~t\r\n", " s3cr~t ", "\u{feff}s3cr~t\n\n"] {
        let (transport, clock) = (transport(200, None, TOKEN.into()), ManualClock::new());
        let secret = ClientSecretCredential::new("contoso.com", "the-client", given);
        ask(&secret.into_credential(&context(&transport, &clock)).unwrap(), &clock).await.unwrap();
        let store = defender_auth::MemoryTokenStore::with(RefreshToken::new(given));
        assert_eq!(store.load().await.unwrap().unwrap().secret(), "s3cr~t");
        let refresh = RefreshTokenCredential::new("contoso.com", "the-client", store).client_secret(given);
        ask(&refresh.into_credential(&context(&transport, &clock)).unwrap(), &clock).await.unwrap();
        let user = OnBehalfOfCredential::with_secret(ClientSecretCredential::new("contoso.com", "c", given), given);
        ask(&user.into_credential(&context(&transport, &clock)).unwrap(), &clock).await.unwrap();
        let forms: Vec<_> = transport.requests().iter().map(form).collect();
        assert!(forms.iter().all(|form| form["client_secret"] == "s3cr~t"), "{forms:?}");
        assert_eq!((&*forms[1]["refresh_token"], &*forms[2]["assertion"]), ("s3cr~t", "s3cr~t"));
        let token = StaticCredential::new(given).into_credential(&context(&transport, &clock)).unwrap();
        assert_eq!(ask(&token, &clock).await.unwrap().secret(), "s3cr~t");
    }
    let context = context(&transport(200, None, Vec::new()), &ManualClock::new());
    let blank = ClientSecretCredential::new("contoso.com", "the-client", "\n").into_credential(&context);
    assert_eq!(blank.unwrap_err().kind(), ErrorKind::Configuration);
}
