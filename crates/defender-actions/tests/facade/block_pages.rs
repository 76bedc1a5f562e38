//! Responses that another party wrote in the service's place: block pages, captive portals, gateways.

use std::time::Duration;

use bytes::Bytes;
use defender_actions::{
    DefenderClient, Error, ErrorKind,
    auth::StaticCredential,
    model::ActionStatus,
    transport::{
        Body, Clock, Error as TransportError, ErrorKind as Broken,
        testing::{Capture, Fault, Faulty, ManualClock},
    },
};
use futures_util::StreamExt;
use http::{Method, Request, Response};
use serde_json::Value;

const TOKEN: &str = "canary-5d1c";
const PAGE: &str = "<!DOCTYPE html>\n<title>Blocked</title>\u{1b}[2J";

/// Status, content type and body of responses that the service did not write.
const FOREIGN: &[(u16, &str, &str)] = &[
    (200, "text/html", PAGE),
    (201, "text/html; charset=utf-8", PAGE),
    (200, "application/json", PAGE),
    (200, "text/plain", "Blocked by policy"),
    (200, "application/json", "[]"),
    (200, "application/json", ""),
    (204, "application/json", ""),
    (302, "text/html", PAGE),
    (307, "text/plain", ""),
    (400, "text/html", PAGE),
    (401, "text/html", PAGE),
    (401, "text/html", ""),
    (403, "text/html", PAGE),
    (403, "text/xml", "<?xml version=\"1.0\"?><Error/>"),
    (404, "text/html", PAGE),
    (407, "application/json", "{}"),
    (410, "text/html", PAGE),
    (425, "text/html", PAGE),
    (429, "text/html", PAGE),
    (429, "text/plain", "Slow down"),
    (503, "text/html", PAGE),
    (511, "application/json", r#"{"error":{"code":"NotFound"}}"#),
];

fn response(status: u16, content_type: &str, body: &str) -> Response<Body> {
    let builder = Response::builder().status(status).header("content-type", content_type);
    builder.header("location", "https://portal.example.com/").body(Body::from(body.to_owned())).unwrap()
}

fn json(status: u16, body: &str) -> Response<Body> {
    response(status, "application/json", body)
}

type Respond = dyn Fn(&Request<Bytes>, usize) -> Result<Response<Body>, TransportError> + Send + Sync;

/// Client whose transport calls `respond` with each request and the number of requests before it.
fn over(respond: Box<Respond>) -> (DefenderClient, Capture, ManualClock) {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let transport =
        Capture::with(move |request| respond(request, count.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
    let clock = ManualClock::new();
    let builder = DefenderClient::builder().credential(StaticCredential::new(TOKEN)).transport(transport.clone());
    (builder.clock(clock.clone()).build().unwrap(), transport, clock)
}

/// Responds to POSTs with `post`, and to lists of actions with an empty page.
fn posting(post: impl Fn() -> Response<Body> + Send + Sync + 'static) -> (DefenderClient, Capture, ManualClock) {
    over(Box::new(move |request, _| {
        Ok(if request.method() == Method::POST { post() } else { json(200, r#"{"value":[]}"#) })
    }))
}

fn posts(transport: &Capture) -> usize {
    transport.requests().iter().filter(|request| request.method() == Method::POST).count()
}

async fn isolating(client: &DefenderClient, clock: &ManualClock) -> Error {
    clock.run(client.machine("m".parse().unwrap()).isolate("c").send()).await.unwrap_err()
}

#[tokio::test]
async fn block_page_leaves_outcome_unknown() {
    for &(status, content_type, body) in FOREIGN {
        let (client, transport, clock) = posting(move || response(status, content_type, body));
        let error = isolating(&client, &clock).await;
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{status} {content_type} {body}: {error}");
        assert_eq!((error.status(), posts(&transport)), (Some(status), 1), "{error}");
        assert_eq!(error.problem().unwrap().raw(), body.as_bytes());
        assert!(error.is_outcome_unknown() && !error.never_sent() && !error.is_retryable());
        let text = error.to_string();
        assert!(
            text.contains("a proxy or portal seems to have responded") && text.contains(&format!("status {status}")),
            "{text}"
        );
        assert_eq!(text.contains("<!DOCTYPE html> <title>Blocked</title>"), body == PAGE, "{text}");
        assert!(!text.contains(char::is_control), "{text}");
    }
}

#[tokio::test]
async fn block_page_accepts_no_raw_post() {
    for &(status, content_type, body) in FOREIGN.iter().filter(|(status, _, body)| *status != 204 && *body != "[]") {
        let (client, transport, clock) = posting(move || response(status, content_type, body));
        let sent = client.post::<Value>("/api/machines/m/isolate", &serde_json::json!({"Comment": "c"}));
        let error = clock.run(sent.send()).await.unwrap_err();
        assert_eq!((error.kind(), posts(&transport)), (ErrorKind::OutcomeUnknown, 1), "{status} {body}: {error}");
    }
}

#[tokio::test]
async fn truncated_block_page_refuses_nothing() {
    for (status, kind) in
        [(200, ErrorKind::OutcomeUnknown), (429, ErrorKind::OutcomeUnknown), (302, ErrorKind::OutcomeUnknown)]
    {
        let (_, transport, clock) = posting(move || response(status, "text/html", PAGE));
        let broken = Faulty::scripted(transport.clone(), [Fault::TruncateBody(5)]);
        let builder = DefenderClient::builder().credential(StaticCredential::new(TOKEN)).transport(broken);
        let client = builder.clock(clock.clone()).build().unwrap();
        assert_eq!((isolating(&client, &clock).await.kind(), posts(&transport)), (kind, 1), "{status}");
    }
}

#[tokio::test]
async fn read_is_retried_past_block_page() {
    for &(status, content_type, body) in FOREIGN.iter().filter(|(status, ..)| *status != 407) {
        if status == 204 || body == "Slow down" {
            continue; // In the response to a read, the page counts as the service's.
        }
        let (client, transport, clock) = over(Box::new(move |_, before| {
            Ok(if before < 2 { response(status, content_type, body) } else { json(200, r#"{"id":"a"}"#) })
        }));
        let read = clock.run(client.action("a".parse().unwrap()).get().send()).await;
        assert_eq!(read.unwrap().id.as_str(), "a", "{status} {body}");
        assert_eq!(transport.requests().len(), 3, "{status} {body}");
    }
}

#[tokio::test]
async fn refused_proxy_password_is_sent_once() {
    let (client, transport, clock) = over(Box::new(|_, _| Ok(response(407, "text/html", PAGE))));
    let error = clock.run(client.action("a".parse().unwrap()).get().send()).await.unwrap_err();
    assert_eq!((error.kind(), transport.requests().len()), (ErrorKind::Interrupted, 1));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn error_names_captive_portal() {
    let (client, transport, clock) = over(Box::new(|_, _| Ok(response(403, "text/html", PAGE))));
    let error = clock.run(client.action("a".parse().unwrap()).get().send()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Interrupted, true));
    assert_eq!((transport.requests().len(), error.attempts()), (5, 5));
    assert_eq!(
        error.to_string(),
        "GET /machineactions/a: no response: a proxy or portal seems to have responded in place of the service \
         (status 403, `<!DOCTYPE html> <title>Blocked</title>`); check the base URL and the proxy or portal in between, then call again \
         [interrupted]"
    );
}

#[tokio::test]
async fn wait_survives_block_pages() {
    for &(status, content_type, body) in FOREIGN.iter().filter(|(status, ..)| *status != 407) {
        let (client, _, clock) = over(Box::new(move |_, before| {
            Ok(match before {
                0 => json(201, r#"{"id":"a","status":"Pending"}"#),
                1..12 => response(status, content_type, body),
                _ => json(200, r#"{"id":"a","status":"Succeeded"}"#),
            })
        }));
        let machine = client.machine("m".parse().unwrap());
        let submitted = clock.run(machine.unrestrict_code_execution("c").send()).await.unwrap();
        let done = clock.run(submitted.wait().send()).await;
        assert_eq!(done.unwrap().status, ActionStatus::Succeeded, "{status} {body}");
    }
}

#[tokio::test]
async fn block_page_teaches_nothing() {
    for date in [None, Some("Thu, 01 Jan 2015 00:00:00 GMT")] {
        let (client, transport, clock) = posting(move || {
            let mut page = response(403, "text/html", PAGE);
            page.headers_mut().insert("sunset", "Mon, 01 Feb 2027 00:00:00 GMT".parse().unwrap());
            if let Some(date) = date {
                page.headers_mut().insert("date", date.parse().unwrap());
            }
            page
        });
        clock.advance(Duration::from_secs(20 * 365 * 24 * 3_600));
        let year = clock.now().strftime("%Y").to_string();
        isolating(&client, &clock).await;
        assert!(client.deprecation_notices().is_empty());
        let list =
            transport.requests().iter().find(|request| request.method() == Method::GET).unwrap().uri().to_string();
        assert!(list.contains(&format!("ge%20{year}")), "{date:?} {list}");
    }
}

#[tokio::test]
async fn text_response_date_is_ignored() {
    // Only the status counts.
    let (client, transport, clock) = over(Box::new(|request, _| match (request.method(), request.uri().path()) {
        (&Method::POST, _) => Err(TransportError::new(Broken::Interrupted)),
        (_, "/api/machineactions") => Ok(json(200, r#"{"value":[]}"#)),
        _ => {
            let mut text = response(404, "text/plain", "default backend - 404");
            text.headers_mut().insert("date", "Fri, 02 Jan 2026 06:00:00 GMT".parse().unwrap());
            Ok(text)
        }
    }));
    assert_eq!(clock.now().to_string(), "2026-01-01T12:00:00Z");
    let read = clock.run(client.action("a".parse().unwrap()).get().send()).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::NotFound);
    isolating(&client, &clock).await;
    let list = transport
        .requests()
        .iter()
        .find(|request| request.uri().path() == "/api/machineactions")
        .unwrap()
        .uri()
        .to_string();
    assert!(list.contains("ge%202026-01-01T11"), "{list}");
}

#[tokio::test]
async fn token_in_block_page_is_redacted() {
    let (client, _, clock) = posting(|| response(403, "text/html", &format!("<pre>Authorization: Bearer {TOKEN}")));
    let error = isolating(&client, &clock).await;
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text} {cause} {cause:?}");
        source = cause.source();
    }
    assert!(text.contains("Authorization: Bearer <redacted>") && !text.contains(TOKEN), "{text}");
}

#[tokio::test]
async fn service_response_is_recognized() {
    // In a response of the service, the status decides.
    for (status, headers, body, kind) in [
        (403, &[][..], "", ErrorKind::Forbidden),
        (403, &[], r#"{"error":{"code":"Forbidden"}}"#, ErrorKind::Forbidden),
        (403, &[("odata-version", "4.0")], "<html>", ErrorKind::Forbidden),
        (403, &[("mise-correlation-id", "c0ffee")], "<html>", ErrorKind::Forbidden),
        (302, &[("odata-version", "4.0")], "", ErrorKind::Refused),
        (201, &[("odata-version", "4.0")], "<html>", ErrorKind::InvalidResponse),
        (201, &[], r#"{"id":"#, ErrorKind::InvalidResponse),
        (201, &[], "\u{feff}{}", ErrorKind::InvalidResponse),
        (400, &[], "no", ErrorKind::Refused),
        (404, &[], "default backend - 404", ErrorKind::NotFound),
    ] {
        let (client, transport, clock) = posting(move || {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(Body::from(body)).unwrap()
        });
        assert_eq!(
            (isolating(&client, &clock).await.kind(), posts(&transport)),
            (kind, 1),
            "{status} {headers:?} {body}"
        );
    }
}

#[tokio::test]
async fn byte_order_mark_is_skipped() {
    let (client, _, clock) = over(Box::new(|request, _| {
        Ok(match request.uri().path() {
            "/api/machineactions/a" => response(200, "text/html", "\u{feff}\n {\"id\":\"a\"}"),
            _ => json(404, "\u{feff}{\"error\":{\"code\":\"ResourceNotFound\"}}"),
        })
    }));
    assert_eq!(clock.run(client.action("a".parse().unwrap()).get().send()).await.unwrap().id.as_str(), "a");
    assert_eq!(clock.run(client.machines().stream().count()).await, 0);
}

#[tokio::test]
async fn raw_read_accepts_only_json() {
    for (status, body, read) in [
        (200, "42", Some("42")),
        (200, "[1]", Some("[1]")),
        (200, "", Some("null")),
        (204, "", Some("null")),
        (200, "42 rows", None),
        (200, "<html>", None),
    ] {
        let (client, _, clock) = over(Box::new(move |_, _| Ok(response(status, "text/plain", body))));
        let got = clock.run(client.get::<Value>("/api/machineactions/$count").send()).await;
        assert_eq!(got.ok().map(|value| value.to_string()).as_deref(), read, "{body}");
    }
}

#[tokio::test]
async fn gateway_404_is_not_empty_list() {
    for body in [
        r#"{"statusCode":404,"message":"Resource not found"}"#,
        r#"{"code":"NotFound"}"#,
        r#"{"error":"NotFound"}"#,
        r#"{"Message":"No HTTP resource was found that matches the request URI"}"#,
        "default backend - 404",
        "",
        PAGE,
    ] {
        let (client, _, clock) = over(Box::new(move |_, _| Ok(response(404, "text/plain", body))));
        let rows: Vec<_> = clock.run(client.machines().stream().collect()).await;
        let [Err(error)] = rows.as_slice() else { panic!("{body}: {rows:?}") };
        assert_eq!((error.status(), error.problem().unwrap().raw()), (Some(404), body.as_bytes()));
        let error = clock.run(client.machines().find("ws-1").send()).await.unwrap_err();
        assert_eq!((error.status(), error.problem().unwrap().raw()), (Some(404), body.as_bytes()), "{error}");
        let error = clock.run(client.machines().find_by_tag("x").one().send()).await.unwrap_err();
        assert_eq!(error.status(), Some(404), "{error}");
    }
}

#[tokio::test]
async fn wrong_prefix_is_not_empty_list() {
    let world = crate::world::World::new();
    let client = world.builder_over(world.emulator.transport()).prefix("/apii").build().unwrap();
    let rows: Vec<_> = world.run(client.machines().stream().collect()).await;
    let [Err(error)] = rows.as_slice() else { panic!("{rows:?}") };
    assert!(error.status().is_some(), "{error}");
}
