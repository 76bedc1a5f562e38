//! Properties of each decoder, for any bytes. The fuzz targets check them on new inputs, `tests/flows/corpus.rs` on the corpus.

use std::{
    error::Error as StdError,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use defender_auth::{
    AccessToken, AssertionAlgorithm, ClientCertificateCredential, ClientSecretCredential, Cloud, CredentialContext,
    DeviceCodeCredential, Error, IntoCredential, ManagedIdentityCredential, MemoryTokenStore, RefreshToken,
    RefreshTokenCredential, TokenCredential, TokenRequest, TokenStore, claims_challenge,
};
use defender_transport::{
    Body, Clock,
    testing::{Capture, ManualClock},
};
use http::{HeaderName, HeaderValue, Response, header::WWW_AUTHENTICATE};
use jiff::Timestamp;
use serde_json::Value;

/// Secret that each credential sends. A response may echo it.
const SENT: &str = "canary-7f3a41d9";
/// Beginning of the secrets that a response brings.
const RECEIVED: &str = "received-";
/// Longest lifetime of a token, and longest time of a request for one.
const WEEK: i64 = 7 * 24 * 3_600;
const LONGEST: Duration = Duration::from_secs(300);
/// Longest life of a device code, after which no further request is sent.
const HOUR: Duration = Duration::from_secs(3_600);

/// A response of a token endpoint or of a managed identity's host.
///
/// The token that is accepted stands in the body, it can stand in a header, and it lives at most a week. An error shows neither what was sent nor a
/// token of the response. A request takes five minutes at most.
pub fn token(input: &[u8]) {
    let store = Arc::new(MemoryTokenStore::with(RefreshToken::new(SENT)));
    let secret = ClientSecretCredential::new("contoso.com", "client", SENT);
    let refresh = RefreshTokenCredential::new("contoso.com", "client", Arc::clone(&store)).client_secret(SENT);
    let imds = ManagedIdentityCredential::system_assigned().at_imds("http://127.0.0.1:1");
    let app_service = ManagedIdentityCredential::system_assigned().at_app_service("http://127.0.0.1:1/msi", SENT);
    for credential in [connect(secret), connect(refresh), connect(imds), connect(app_service)] {
        ask(&credential, input, LONGEST);
    }
    let kept = poll(store.load()).expect("a store in memory does not wait").expect("a store in memory does not fail");
    let kept = kept.expect("the store is not emptied");
    assert!(kept.secret() == SENT || states(&message(input), "refresh_token", kept.secret()), "foreign refresh token");
}

/// A response of the device code endpoint. The code is shown to the person alone, and no error has it.
pub fn device_code(input: &[u8]) {
    let shown = Arc::new(std::sync::Mutex::new(String::new()));
    let prompt = Arc::clone(&shown);
    let credential = DeviceCodeCredential::new("contoso.com", "client", move |code| {
        let _: String = format!("{code:?}");
        code.user_code.clone_into(&mut prompt.lock().expect("no prompt panics"));
    });
    let answer = message(input);
    let credential = connect_with(credential, |path| {
        if path.ends_with("/devicecode") {
            return None;
        }
        let refused = r#"{"error":"expired_token","error_description":"AADSTS70020"}"#;
        Some(Response::builder().status(400).body(refused.into()).expect("a response"))
    });
    ask(&credential, input, HOUR + LONGEST);
    let shown = shown.lock().expect("no prompt panics");
    assert!(shown.is_empty() || states(&answer, "user_code", &shown), "the code is another one: {shown}");
}

/// A PEM, whose first line may be `password TEXT`. A credential that is made from it signs; an error shows no line of it.
pub fn certificate(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (password, pem) = match text.strip_prefix("password ").and_then(|rest| rest.split_once('\n')) {
        Some((password, pem)) => (Some(password), pem),
        None => (None, &*text),
    };
    if costs_too_much(pem) {
        return;
    }
    for algorithm in [AssertionAlgorithm::Ps256, AssertionAlgorithm::Rs256] {
        let mut credential =
            ClientCertificateCredential::new("contoso.com", "client", pem).algorithm(algorithm).send_chain();
        if let Some(password) = password {
            credential = credential.password(password);
        }
        let debug = format!("{credential:?}");
        hides(&debug, pem);
        let transport =
            Capture::answering(Response::new(r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#));
        let clock = ManualClock::new();
        match credential.into_credential(&context(&transport, &clock)) {
            Ok(live) => {
                hides(&format!("{live:?}"), pem);
                let token = run(&clock, live.token(&TokenRequest::new())).expect("a key that was accepted signs");
                assert_eq!(token.secret(), "t");
            }
            Err(error) => hides(&all_of(&error), pem),
        }
    }
}

/// A header `WWW-Authenticate`. The claims are a JSON object that stands in the header, in base64.
pub fn challenge(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Some(claims) = claims_challenge(&text) else { return };
    let object: Value = serde_json::from_str(&claims).expect("the claims are JSON");
    assert!(object.is_object(), "{claims}");
    assert!(text.to_ascii_lowercase().contains("claims"), "the header has no claims");
    assert_eq!(claims_challenge(&text), Some(claims));
}

/// Payload of a token. Its claims are those of the JSON, and a token that is not a JWT has none.
pub fn claims(input: &[u8]) {
    let payload = base64(input);
    let whole = format!("e30.{payload}.x");
    for token in [whole.clone(), String::from_utf8_lossy(input).into_owned()] {
        let token = AccessToken::new(token, Timestamp::MAX);
        let shown = format!("{token:?}");
        assert!(!shown.contains("e30."), "{shown}");
        let Some(claims) = token.claims() else { continue };
        let _: bool = claims.permits("Machine.Isolate");
        if token.secret() == whole {
            let has = |value: &str| texts(input).iter().any(|text| in_strings(text, value));
            let one = [&claims.tenant, &claims.object_id, &claims.application, &claims.user, &claims.audience];
            let many = claims.roles.iter().chain(&claims.scopes).chain(&claims.names);
            for claim in one.into_iter().flatten().chain(many) {
                assert!(claim.is_empty() || has(claim), "{claim:?} is not in the token");
            }
        }
    }
}

/// Output of the Azure CLI: what it prints, a line `---`, and its messages. Without the line it succeeds.
///
/// An output that is accepted has an access token that fits into a header. An error shows no word of the messages that looks like a token.
#[cfg(unix)]
pub fn azure_cli(input: &[u8]) {
    use std::{fs, os::unix::fs::PermissionsExt};

    const LOOKS_LIKE_A_TOKEN: &str = "eyJcanary";
    let at = input.windows(5).position(|line| line == b"\n---\n");
    let (printed, messages) = at.map_or((input, None), |at| (&input[..at], Some(&input[at + 5..])));
    let folder = std::env::temp_dir().join(format!("defender-auth-fuzz-{}", std::process::id()));
    let (program, output) = (folder.join("az"), folder.join("az.out"));
    if !program.exists() {
        fs::create_dir_all(&folder).expect("a folder");
        let script = "#!/bin/sh\ncat \"$0.out\"\n[ ! -s \"$0.err\" ] || { cat \"$0.err\" >&2; exit 1; }\n";
        fs::write(&program, script).expect("a program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("a program");
    }
    fs::write(&output, printed).expect("an output");
    fs::write(folder.join("az.err"), messages.unwrap_or_default()).expect("messages");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let credential = defender_auth::AzureCliCredential::new().program(&program);
    let context = context(&Capture::answering(Response::new("")), &ManualClock::new());
    let live = credential.into_credential(&context).expect("the arguments are good");
    match runtime.block_on(live.token(&TokenRequest::new())) {
        Ok(token) => {
            let output = String::from_utf8_lossy(printed);
            let plain: String = output.chars().filter(char::is_ascii_graphic).collect();
            assert!(plain.contains("accessToken") && is_sent(&token), "{token:?}");
        }
        Err(error) => {
            let shown = all_of(&error);
            assert!(!shown.contains(LOOKS_LIKE_A_TOKEN) && !shown.contains('\u{1b}'), "{shown}");
        }
    }
    let _removed = fs::remove_dir_all(&folder);
}

type Live = (Arc<dyn TokenCredential>, Capture, ManualClock, Arc<std::sync::Mutex<Vec<u8>>>);

fn connect(credential: impl IntoCredential) -> Live {
    connect_with(credential, |_| None)
}

/// A credential over a transport that gives the responses of `given` to their paths, and otherwise the input.
fn connect_with(
    credential: impl IntoCredential,
    given: impl Fn(&str) -> Option<Response<Body>> + Send + Sync + 'static,
) -> Live {
    let input = Arc::new(std::sync::Mutex::new(Vec::new()));
    let answer = Arc::clone(&input);
    let transport = Capture::with(move |request| {
        let answer = answer.lock().expect("no credential panics");
        Ok(given(request.uri().path()).unwrap_or_else(|| message(&answer).map(Body::from)))
    });
    let clock = ManualClock::new();
    let live = credential.into_credential(&context(&transport, &clock)).expect("the description is good");
    (live, transport, clock, input)
}

fn ask((credential, transport, clock, answer): &Live, input: &[u8], longest: Duration) {
    input.clone_into(&mut answer.lock().expect("no credential panics"));
    let message = message(input);
    let asked = clock.now();
    let outcome = run(clock, credential.token(&TokenRequest::new()));
    assert!(clock.elapsed() <= longest, "it took {:?}", clock.elapsed());
    assert!(!transport.requests().is_empty(), "nothing was sent");
    match outcome {
        Ok(token) => {
            assert!(states(&message, "access_token", token.secret()), "the token is not that of the response");
            assert!(is_sent(&token), "no header can have the token");
            let lives = token.expires_on().duration_since(asked).as_secs();
            assert!((0..=WEEK).contains(&lives), "it lives for {lives} s");
            let _: Option<defender_auth::Claims> = token.claims();
        }
        Err(error) => {
            let shown = all_of(&error);
            let requests = transport.requests();
            let is_sent = requests.iter().any(|request| has(request.body(), SENT))
                || requests.iter().any(|request| request.headers().values().any(|value| has(value.as_bytes(), SENT)));
            assert!(!is_sent || !shown.contains(SENT), "the error has what was sent: {shown}");
            let body = message.body();
            for secret in ["access_token", "refresh_token", "id_token", "device_code"] {
                for secret in stated(body, secret) {
                    let twice =
                        texts(body).iter().any(|text| strings(text).filter(|one| one.contains(&secret)).count() > 1);
                    if secret.starts_with(RECEIVED) && secret.len() > RECEIVED.len() + 4 && !twice {
                        assert!(!shown.contains(&secret), "the error has a token of the response: {shown}");
                    }
                }
            }
        }
    }
}

/// Returns true if the text is in these bytes.
fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn context(transport: &Capture, clock: &ManualClock) -> CredentialContext {
    CredentialContext::new(Arc::new(transport.clone()), Arc::new(clock.clone()), Cloud::Public)
}

/// Runs a future to its end, in the time of the clock.
fn run<F: Future>(clock: &ManualClock, future: F) -> F::Output {
    let mut future = pin!(clock.run(future));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn poll<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A response: a line with the status, lines with headers, an empty line, and the body.
fn message(input: &[u8]) -> Response<Vec<u8>> {
    let end = input.windows(2).position(|end| end == b"\n\n");
    let (head, body) = end.map_or((input, &[][..]), |end| (&input[..end], &input[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().and_then(|status| str::from_utf8(status).ok()?.trim().parse().ok());
    let mut response = Response::new(body.to_vec());
    *response.status_mut() = status.unwrap_or_default();
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().and_then(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
        let value = parts.next().and_then(|value| HeaderValue::from_bytes(value.trim_ascii()).ok());
        if let (Some(name), Some(value)) = (name, value) {
            response.headers_mut().append(name, value);
        }
    }
    let _: Option<String> =
        response.headers().get(WWW_AUTHENTICATE).and_then(|value| claims_challenge(value.to_str().ok()?));
    response
}

/// The text of a body in each encoding that it may be in.
fn texts(body: &[u8]) -> Vec<String> {
    let utf_16 = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = body.chunks(2).map(|pair| <[u8; 2]>::try_from(pair).map_or(0xfffd, unit)).collect();
        String::from_utf16_lossy(&units)
    };
    let all = [String::from_utf8_lossy(body).into_owned(), utf_16(u16::from_le_bytes), utf_16(u16::from_be_bytes)];
    let around = |char: char| char.is_whitespace() || matches!(char, '\u{feff}' | '\0');
    all.iter().map(|text| text.trim_matches(around).to_owned()).collect()
}

/// The texts of this field of the body, by each encoding.
fn stated(body: &[u8], field: &str) -> Vec<String> {
    let of = |text: &String| Some(serde_json::from_str::<Value>(text).ok()?.get(field)?.as_str()?.to_owned());
    texts(body).iter().filter_map(of).collect()
}

fn states(message: &Response<Vec<u8>>, field: &str, value: &str) -> bool {
    stated(message.body(), field).iter().any(|text| text == value)
}

/// All texts in a JSON, also the names of its fields.
fn strings(text: &str) -> impl Iterator<Item = String> {
    fn collect(value: Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text),
            Value::Array(items) => items.into_iter().for_each(|item| collect(item, found)),
            Value::Object(fields) => fields.into_iter().for_each(|(name, value)| {
                found.push(name);
                collect(value, found);
            }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_str(text) {
        collect(value, &mut found);
    }
    found.into_iter()
}

fn in_strings(text: &str, value: &str) -> bool {
    strings(text).any(|one| one.contains(value))
}

/// Returns true if the token can be sent in a header.
fn is_sent(token: &AccessToken) -> bool {
    !token.secret().is_empty() && HeaderValue::from_str(&format!("Bearer {}", token.secret())).is_ok()
}

/// Checks that no line of the PEM is shown.
fn hides(shown: &str, pem: &str) {
    for line in pem.lines().filter(|line| line.len() > 40 && !line.contains("-----")) {
        assert!(!shown.contains(line), "{shown}");
    }
}

/// A locked key states the work of its unlocking. One with more than the fixtures have is not tried: it would only be slow.
fn costs_too_much(pem: &str) -> bool {
    pem.contains("ENCRYPTED PRIVATE KEY") && !FIXTURES.iter().any(|known| shares_its_key(known, pem))
}

/// The keys in `tests/flows/keys`, which a test of the flows opens.
const FIXTURES: [&str; 3] = [
    include_str!("../../tests/flows/keys/pbkdf2.pem"),
    include_str!("../../tests/flows/keys/scrypt.pem"),
    include_str!("../../tests/flows/keys/sha1.pem"),
];

/// Returns true if the first lines of the locked key, which state the work, are those of the other one.
fn shares_its_key(known: &str, pem: &str) -> bool {
    let head = |pem: &str| {
        let (_, key) = pem.split_once("ENCRYPTED PRIVATE KEY-----")?;
        Some(key.trim_start().chars().take(128).collect::<String>())
    };
    head(known) == head(pem)
}

/// All that an error shows, with its causes and the error of the endpoint.
fn all_of(error: &Error) -> String {
    let mut all = vec![format!("{error} / {error:#} / {error:?} / {error:#?}")];
    let mut cause = error.source();
    while let Some(source) = cause {
        all.push(format!("{source} / {source:#} / {source:?} / {source:#?}"));
        cause = source.source();
    }
    if let Some(entra) = error.entra() {
        let parts = [entra.correlation_id(), entra.trace_id(), entra.suberror(), entra.claims(), entra.advice()];
        all.push(format!("{entra} {entra:?} {} {parts:?}", entra.error()));
    }
    all.join(" / ")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..=three.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}
