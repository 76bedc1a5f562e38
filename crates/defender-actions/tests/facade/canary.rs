//! No secret is shown. Everything that an outside party can write has the token in it, as it is and encoded. Nothing that a
//! person can see has it.

use std::{
    error::Error as StdError,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use defender_actions::{
    DefenderClient, Error, Observer,
    auth::{ClientSecretCredential, IntoCredential, StaticCredential},
    model::Problem,
    observe::{ActionEnded, CallEnded, TokenRequestEnded, WaitEnded},
    transport::{
        Body, Error as Broken, ErrorKind,
        testing::{Capture, ManualClock},
    },
};
use futures_util::StreamExt;
use http::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// Token with each kind of character that an encoding changes.
const TOKEN: &str = "canary.t0ken/with+all=kinds&of'text";

/// The token as servers, proxies and gateways echo it.
fn echoes() -> Vec<String> {
    let percent = utf8_percent_encode(TOKEN, NON_ALPHANUMERIC).to_string();
    let each_unit = TOKEN.chars().fold(String::new(), |all, char| all + &format!("\\u{:04x}", u32::from(char)));
    vec![
        TOKEN.to_owned(),
        percent.clone(),
        percent.to_lowercase(),
        STANDARD.encode(TOKEN),
        URL_SAFE_NO_PAD.encode(format!("Bearer {TOKEN}")),
        TOKEN.replace('&', "&amp;").replace('\'', "&#39;").replace('/', "&#x2F;"),
        TOKEN.replace('/', "\\/"),
        each_unit,
    ]
}

/// Returns whether a text has the token in it, or the beginning of one of its encodings.
fn shows(text: &str) -> bool {
    let text = text.to_lowercase();
    // Whole groups of three bytes, so that the code is a prefix of the code of any longer text.
    let base64 = ["canary", "Bearer cana"].map(|text| STANDARD.encode(text).trim_end_matches('=').to_lowercase());
    ["canary", "%63%61%6e", "\\u0063\\u0061", "63616e617279"].iter().any(|form| text.contains(form))
        || base64.iter().any(|form| text.contains(form))
}

/// Body with the echo in it.
type Saying = fn(&str) -> String;

/// Place of the echo in a response.
#[derive(Clone, Debug)]
enum Place {
    Header(&'static str),
    /// Body of this content type.
    Body(&'static str, Saying),
    /// Context of a transport error.
    Context,
    /// Cause of a transport error.
    Cause,
}

fn places() -> Vec<Place> {
    fn text(text: &str) -> String {
        text.to_owned()
    }
    let headers = [
        "mise-correlation-id",
        "date",
        "content-type",
        "retry-after",
        "www-authenticate",
        "deprecation",
        "sunset",
        "link",
        "location",
        "etag",
        "server",
        "odata-version",
        "content-encoding",
        "set-cookie",
        "x-ms-error-code",
    ];
    let bodies: [(&'static str, Saying); 19] = [
        ("text/plain", text),
        ("application/json", text),
        ("text/html", |echo| format!("<html><p>Authorization: Bearer {echo}</p></html>")),
        ("application/xml", |echo| format!("<Error><Message>{echo}</Message></Error>")),
        ("application/json", |echo| json!({"error": {"code": echo, "message": "m"}}).to_string()),
        ("application/json", |echo| {
            json!({"error": {"code": "BadRequest", "message": echo, "target": "t"}}).to_string()
        }),
        ("application/json", |echo| json!({"error": {"code": "NotFound", "message": "m", "target": echo}}).to_string()),
        ("application/json", |echo| {
            json!({"error": {"code": "x", "innererror": {"code": echo, "message": echo}}}).to_string()
        }),
        ("application/json", |echo| {
            json!({"error": {"code": "x", "details": [{"code": "y", "message": echo}]}}).to_string()
        }),
        ("application/json", |echo| json!({"error": "x", "error_description": echo}).to_string()),
        ("application/json", |echo| json!({ "message": echo }).to_string()),
        ("application/problem+json", |echo| json!({"title": echo, "detail": echo, "traceId": echo}).to_string()),
        ("application/problem+json", |echo| json!({"title": "t", "errors": {echo: [echo]}}).to_string()),
        // A success is expected here. An id has 128 letters and digits at most, so that no JWT has the form of an id.
        ("application/json", |echo| json!({"id": format!("{echo}."), "status": "Pending"}).to_string()),
        ("application/json", |echo| json!({"id": {"x": echo}}).to_string()),
        ("application/json", |echo| json!({"value": [{"id": format!("{echo}.")}, {"id": [echo]}]}).to_string()),
        ("application/json", |echo| json!({"value": [], "@odata.nextLink": format!("https://x/{echo}")}).to_string()),
        ("application/json", |echo| json!({"value": echo}).to_string()),
        // Longer than the text that is searched as a whole.
        ("application/json", |echo| {
            let rows: Vec<Value> =
                (0..40).map(|row| json!({"id": format!("a-{row}"), "title": "x".repeat(500)})).collect();
            let rows = [rows, vec![json!({ "id": format!("{echo}.") })]].concat();
            json!({"value": rows, "@odata.nextLink": format!("/elsewhere/{echo}")}).to_string()
        }),
    ];
    let headers = headers.into_iter().map(Place::Header);
    headers.chain(bodies.map(|(kind, body)| Place::Body(kind, body))).chain([Place::Context, Place::Cause]).collect()
}

/// Cause that shows the echo only in its `Debug` text.
struct Cause(String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it broke")
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}

fn client(
    credential: impl IntoCredential + Send + 'static,
    place: Place,
    echo: String,
    status: u16,
    seen: &Seen,
) -> (DefenderClient, ManualClock) {
    let transport = Capture::with(move |_| {
        let builder = Response::builder().status(status);
        match &place {
            Place::Header(name) => {
                let body = if status < 300 { "" } else { r#"{"error":{"code":"x","message":"m"}}"# };
                Ok(builder.header(*name, &echo).body(Body::from(body)).unwrap())
            }
            Place::Body(kind, body) => Ok(builder.header("content-type", *kind).body(Body::from(body(&echo))).unwrap()),
            Place::Context => Err(Broken::new(ErrorKind::Interrupted).context(echo.as_str())),
            Place::Cause => Err(Broken::new(ErrorKind::Interrupted).caused_by(Cause(echo.clone()))),
        }
    });
    let clock = ManualClock::new();
    let builder = DefenderClient::builder()
        .credential(credential)
        .transport(transport)
        .observer(seen.clone())
        .attempts(1)
        .visibility_timeout(Duration::from_secs(1));
    (builder.clock(clock.clone()).build().unwrap(), clock)
}

/// Every text of an error that a person can see.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<String>>);

impl Seen {
    fn add(&self, text: &str) {
        let mut seen = self.0.lock().unwrap();
        seen.push_str(text);
        seen.push('\n');
    }

    fn error(&self, error: &Error) {
        self.add(&format!("{error}\n{error:#}\n{error:?}\n{error:#?}"));
        let mut next = error.cause();
        while let Some(cause) = next {
            self.add(&format!("{cause}\n{cause:#}\n{cause:?}"));
            next = cause.source();
        }
        self.add(&format!("{:?} {:?} {:?}", error.request_id(), error.target(), error.code().map(ToString::to_string)));
        let problem = error.problem();
        self.add(&format!("{:?} {:?}", problem, problem.and_then(Problem::message)));
        self.add(&format!(
            "{:?} {:?}",
            problem.and_then(Problem::inner_code),
            problem.and_then(Problem::inner_message)
        ));
    }
}

impl Observer for Seen {
    fn call_ended(&self, ended: &CallEnded<'_>) {
        self.add(&format!("{ended:?} {:?}", ended.end.error_type()));
    }

    fn action_ended(&self, ended: &ActionEnded<'_>) {
        self.add(&format!("{ended:?}"));
    }

    fn wait_ended(&self, ended: &WaitEnded<'_>) {
        self.add(&format!("{ended:?}"));
    }

    fn token_request_ended(&self, ended: &TokenRequestEnded) {
        self.add(&format!("{ended:?} {:?}", ended.error_type()));
    }
}

#[cfg(feature = "tracing")]
mod traces {
    use tracing::{
        Event, Metadata, Subscriber,
        field::{Field, Visit},
        span,
    };

    use super::{Seen, fmt};

    impl Visit for Seen {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.add(&format!("{field}={value:?}"));
        }
    }

    impl Subscriber for Seen {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
            attributes.record(&mut self.clone());
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, values: &span::Record<'_>) {
            values.record(&mut self.clone());
        }

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }
}

/// Makes each kind of call and inspects the outcome.
async fn inspect_calls(client: &DefenderClient, clock: &ManualClock, seen: &Seen) -> usize {
    let machine = client.machine("m1".parse().unwrap());
    let action = client.action("a1".parse().unwrap());
    let mut errors = 0;
    let mut look = |error: Option<Error>| {
        errors += usize::from(error.is_some());
        if let Some(error) = error {
            seen.error(&error);
        }
    };
    look(clock.run(action.get().send()).await.err());
    look(clock.run(machine.isolate("c").send()).await.err());
    look(clock.run(action.cancel("c").send()).await.err());
    look(clock.run(client.post::<Value>("/api/x", &json!({})).send()).await.err());
    look(clock.run(client.get::<u8>("/api/x").send()).await.err());
    look(clock.run(client.machines().find("x").send()).await.err());
    look(clock.run(client.library().delete("x").send()).await.err());
    look(clock.run(action.package().link().send()).await.err());
    look(clock.run(action.wait().at_most(Duration::from_secs(1)).send()).await.err());
    let rows = clock.run(client.actions().stream().take(2_000).collect::<Vec<_>>()).await;
    for row in rows {
        look(row.err());
    }
    seen.add(&format!("{client:?}"));
    for announcement in client.deprecation_notices() {
        seen.add(&format!("{announcement} {announcement:?}"));
    }
    errors
}

/// Runs `each` with every place, echo and status. Returns the leaks and the number of errors.
async fn leaks(statuses: &[u16], each: impl AsyncFn(Place, String, u16, &Seen) -> usize) -> (Vec<String>, usize) {
    let (mut leaks, mut errors) = (Vec::new(), 0);
    for place in places() {
        for echo in echoes() {
            for status in statuses {
                let is_broken = matches!(place, Place::Context | Place::Cause);
                if is_broken && *status != statuses[0] {
                    continue;
                }
                let seen = Seen::default();
                #[cfg(feature = "tracing")]
                let _listens = (
                    tracing::subscriber::set_default(seen.clone()),
                    tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default()),
                );
                errors += each(place.clone(), echo.clone(), *status, &seen).await;
                let seen = seen.0.lock().unwrap();
                if let Some(line) = seen.lines().find(|line| shows(line)) {
                    let line: String = line.chars().take(300).collect();
                    leaks.push(format!("{place:?} {status} {echo}: {line}"));
                }
            }
        }
    }
    leaks.truncate(20);
    (leaks, errors)
}

#[tokio::test]
async fn token_echo_is_never_shown() {
    let (leaks, errors) = leaks(&[201, 400, 401, 500], async |place, echo, status, seen| {
        let (client, clock) = client(StaticCredential::new(TOKEN), place, echo, status, seen);
        inspect_calls(&client, &clock, seen).await
    })
    .await;
    assert_eq!(leaks, [""; 0]);
    assert!(errors > 5_000, "{errors}");
}

/// The token endpoint knows the secret, and so does a proxy in front of it.
#[tokio::test]
async fn client_secret_echo_is_never_shown() {
    let (leaks, errors) = leaks(&[200, 302, 400, 401, 403, 407, 500, 511], async |place, echo, status, seen| {
        let (client, clock) =
            client(ClientSecretCredential::new("contoso.com", "app", TOKEN), place, echo, status, seen);
        let error = clock.run(client.action("a1".parse().unwrap()).get().send()).await.unwrap_err();
        seen.error(&error);
        seen.add(&format!("{client:?}"));
        1
    })
    .await;
    assert_eq!(leaks, [""; 0]);
    assert!(errors > 1_000, "{errors}");
}
