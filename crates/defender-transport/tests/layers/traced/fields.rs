//! Fields, levels and spans.

use super::*;

#[test]
fn response_trace_follows_opentelemetry() {
    let response = Response::builder()
        .status(201)
        .version(http::Version::HTTP_2)
        .header("content-type", "application/json")
        .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
        .header("retry-after", "7")
        .header("request-id", "r")
        .header("x-ms-request-id", "x")
        .header("mise-correlation-id", "m");
    let request = Request::post("https://example.com/things/17/close")
        .extension(UrlTemplate("/things/{id}/close".into()))
        .extension(Resends(2));
    let traces = exchange(Capture::answering(response.body("done").unwrap()), request.body(Bytes::new()).unwrap());
    let (span, event, level) = one(&traces);
    span.is(&[
        ("otel.name", "POST /things/{id}/close"),
        ("otel.kind", "client"),
        ("http.request.method", "POST"),
        ("http.request.resend_count", "2"),
        ("url.scheme", "https"),
        ("url.template", "/things/{id}/close"),
        ("server.address", "example.com"),
        ("server.port", "443"),
        ("http.response.status_code", "201"),
        ("network.protocol.version", "2"),
        ("http.response.header.content-type", "application/json"),
        ("http.response.header.date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("http.response.header.retry-after", "7"),
        ("http.response.header.request-id", "r"),
        ("http.response.header.x-ms-request-id", "x"),
        ("http.response.header.mise-correlation-id", "m"),
    ]);
    event.is(&[
        ("message", "response received"),
        ("http.client.request.duration", "0.0"),
        ("http.response.status_code", "201"),
    ]);
    assert_eq!(level, Level::DEBUG);
    assert_eq!((traces.spans[0].0.name(), *traces.spans[0].0.level()), ("attempt", Level::INFO));
}

#[test]
fn unknown_fields_are_left_out() {
    let traces = exchange(Capture::answering(Response::new("")), request());
    let (span, ..) = one(&traces);
    span.has(&[("otel.name", "GET"), ("network.protocol.version", "1.1")]);
    span.has_none_of(&["url.template", "http.request.resend_count", "error.type", "otel.status_code"]);

    let first = Request::get("http://[::1]:8080/").extension(Resends(0)).body(Bytes::new()).unwrap();
    let traces = exchange(Capture::answering(Response::new("")), first);
    one(&traces).0.has(&[("url.scheme", "http"), ("server.address", "::1"), ("server.port", "8080")]);
    one(&traces).0.has_none_of(&["http.request.resend_count"]);

    let odd = Request::builder().method(Method::from_bytes(b"CANARY").unwrap()).uri("/").body(Bytes::new()).unwrap();
    let traces = exchange(Capture::answering(Response::new("")), odd);
    one(&traces).0.has(&[("otel.name", "_OTHER"), ("http.request.method", "_OTHER")]);
    one(&traces).0.has_none_of(&["url.scheme", "server.address", "server.port"]);
}

#[test]
fn every_attempt_is_traced_with_its_number() {
    let clock = ManualClock::new();
    let status = |status: u16| Response::builder().status(status).body("").unwrap();
    let server = Capture::in_turn([status(503), status(429), status(200)]);
    let transport = server.deadline(clock.clone()).traced(clock.clone()).buffered().retrying(clock.clone());
    let request =
        Request::get("https://example.com/things/17?sig=canary").extension(UrlTemplate("/things/{id}".into()));
    let mut call = Box::pin(transport.send(request.body(Bytes::new()).unwrap()));
    let ((), traces) = listen(Level::TRACE, || {
        while call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            clock.advance_to_next().unwrap();
        }
    });
    let field = |name: &str| traces.spans.iter().map(|(_, span)| span.0.get(name).cloned()).collect::<Vec<_>>();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(field("http.response.status_code"), [some("503"), some("429"), some("200")]);
    assert_eq!(field("http.request.resend_count"), [None, some("1"), some("2")]);
    assert_eq!(field("url.template"), [some("/things/{id}"), some("/things/{id}"), some("/things/{id}")]);
    assert_eq!(traces.events.len(), 3);
    assert!(!format!("{traces:?}").contains("canary"));
}

#[test]
fn error_status_sets_span_and_level() {
    for (status, level) in [("404", Level::DEBUG), ("429", Level::DEBUG), ("500", Level::INFO), ("503", Level::INFO)] {
        let traces = exchange(Capture::answering(Response::builder().status(status).body("no").unwrap()), request());
        let (span, event, level_of_event) = one(&traces);
        span.has(&[("http.response.status_code", status), ("error.type", status), ("otel.status_code", "ERROR")]);
        event.has(&[("message", "response received"), ("http.response.status_code", status), ("error.type", status)]);
        assert_eq!(level_of_event, level, "{status}");
    }
}

/// Transport with events of its own, while it sends and while its body is read.
#[derive(Debug)]
struct Chatty;

#[async_trait::async_trait]
impl Transport for Chatty {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Body>, Error> {
        tracing::info!(target: "defender_transport::attempt", "sending");
        Ok(Response::new(Body::new(Chatting)))
    }
}

struct Chatting;

impl http_body::Body for Chatting {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, Error>>> {
        tracing::info!(target: "defender_transport::attempt", "reading");
        Poll::Ready(None)
    }
}

#[test]
fn inner_events_are_in_the_span() {
    let traces = exchange(Chatty, request());
    let stands_in: Vec<_> = traces.events.iter().map(|(_, parent, fields)| (*parent, &*fields.0["message"])).collect();
    assert_eq!(stands_in, [(1, "sending"), (1, "reading"), (1, "response received")]);
}

#[test]
fn events_have_their_span() {
    let send = |level, status: u16| {
        let transport =
            Capture::answering(Response::builder().status(status).body("").unwrap()).traced(ManualClock::new());
        let (response, traces) = listen(level, || transport.send(request()).now_or_never().unwrap().unwrap());
        assert_eq!(response.status(), status);
        (traces.spans.len(), traces.events.len())
    };
    assert_eq!(send(Level::INFO, 200), (1, 0));
    assert_eq!(send(Level::INFO, 500), (1, 1));
    assert_eq!(send(Level::WARN, 500), (0, 0));
}
