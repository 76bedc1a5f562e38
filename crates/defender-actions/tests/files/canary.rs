//! The secret of a link is in everything that a store, a proxy or a gateway can write, and in nothing that is shown.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use defender_actions::{
    DefenderClient, Error,
    auth::StaticCredential,
    model::Problem,
    transport::{
        Body, Error as Broken, ErrorKind,
        testing::{Capture, ManualClock},
    },
};
use http::Response;

use crate::support::{driven, error_chain};

/// The signature of the link, as it is and percent-encoded.
const SIGNATURE: &str = "canary+7f3a/&='x";
const ENCODED: &str = "canary%2B7f3a%2F%26%3D%27x";

fn echoes() -> Vec<String> {
    let units = SIGNATURE.chars().fold(String::new(), |all, char| all + &format!("\\u{:04x}", u32::from(char)));
    vec![
        SIGNATURE.to_owned(),
        ENCODED.to_owned(),
        ENCODED.to_lowercase(),
        format!("https://blobs.example.com/p.zip?sv=1&sig={ENCODED}"),
        ENCODED.replace('%', "%25"),
        STANDARD.encode(SIGNATURE),
        SIGNATURE.replace('&', "&amp;").replace('\'', "&#39;"),
        SIGNATURE.replace('/', "\\/"),
        units,
    ]
}

fn shows(text: &str) -> bool {
    let text = text.to_lowercase();
    ["canary", "y2fuyxj5", "\\u0063\\u0061"].iter().any(|form| text.contains(form))
}

/// Place of the echo in a store's response.
#[derive(Clone, Copy, Debug)]
enum Place {
    Header(&'static str),
    Body(&'static str, &'static str),
    Context,
    Cause,
}

fn places() -> Vec<Place> {
    let headers = [
        "etag",
        "last-modified",
        "content-range",
        "content-type",
        "content-encoding",
        "content-length",
        "content-disposition",
        "location",
        "retry-after",
        "date",
        "server",
        "www-authenticate",
        "x-ms-error-code",
        "x-ms-request-id",
    ];
    let bodies = [
        ("text/plain", "ECHO"),
        ("text/html", "<html>ECHO</html>"),
        ("application/xml", "<Error><Code>x</Code><Message>ECHO</Message></Error>"),
        ("application/json", r#"{"error":{"code":"ECHO","message":"ECHO","target":"ECHO"}}"#),
    ];
    let headers = headers.into_iter().map(Place::Header);
    headers.chain(bodies.map(|(kind, body)| Place::Body(kind, body))).chain([Place::Context, Place::Cause]).collect()
}

fn client(place: Place, echo: String, status: u16) -> (DefenderClient, ManualClock) {
    let transport = Capture::with(move |request| {
        if request.uri().host() != Some("blobs.example.com") {
            let link = format!(r#"{{"value":"https://blobs.example.com/p.zip?sv=1&sig={ENCODED}"}}"#);
            return Ok(Response::new(Body::from(link)));
        }
        let builder = Response::builder().status(status);
        Ok(match place {
            Place::Header(name) => builder.header(name, &echo).body(Body::from("zip")).unwrap(),
            Place::Body(kind, body) => {
                let body = body.replace("ECHO", &echo);
                builder.header("content-type", kind).body(Body::from(body)).unwrap()
            }
            Place::Context => return Err(Broken::new(ErrorKind::Interrupted).context(echo.as_str())),
            Place::Cause => return Err(Broken::new(ErrorKind::Connect).caused_by(std::io::Error::other(echo.as_str()))),
        })
    });
    let clock = ManualClock::new();
    let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport);
    (builder.clock(clock.clone()).build().unwrap(), clock)
}

/// Every text of an error that a person can see.
fn seen(error: &Error) -> String {
    let problem = error.problem();
    let texts = format!("{:?} {:?} {:?}", problem, problem.and_then(Problem::message), error.target());
    format!("{error:#} {:?} {texts} {}", error.cause(), error_chain(error))
}

#[tokio::test]
async fn link_echo_is_never_shown() {
    let (mut leaks, mut errors) = (String::new(), 0);
    for place in places() {
        for echo in echoes() {
            for status in [200, 206, 302, 403, 404, 416, 500] {
                let (client, clock) = client(place, echo.clone(), status);
                let download = client.action("a1".parse().unwrap()).package().write_to(Vec::new());
                let Err(error) = driven(&clock, download).await else { continue };
                errors += 1;
                let seen = seen(&error);
                if shows(&seen) {
                    writeln!(leaks, "{place:?} {status} {echo}: {seen}").unwrap();
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{leaks}");
    assert!(errors > 800, "{errors}");
}
