//! Content of a trace, and the content that it must never have.
#![cfg(all(feature = "testing", feature = "tracing"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of a test fails as the test does"
)]

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{
    Body, Clock, Error, ErrorKind, Secrets, Transport, TransportExt,
    extensions::{Resends, UrlTemplate},
    testing::{Capture, Fault, Faulty, ManualClock, MockTransport, Never},
};
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body as _;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Fields by name, as text.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Fields {
    fn is(&self, expected: &[(&str, &str)]) {
        let expected = expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(self, &Self(expected));
    }

    #[track_caller]
    fn has(&self, expected: &[(&str, &str)]) {
        for (name, value) in expected {
            assert_eq!(self.0.get(*name).map(String::as_str), Some(*value), "{name} of {self:?}");
        }
    }

    fn has_none_of(&self, names: &[&str]) {
        let found: Vec<_> = names.iter().filter(|name| self.0.contains_key(**name)).collect();
        assert!(found.is_empty(), "{found:?} of {self:?}");
    }
}

#[derive(Debug, Default)]
struct Told {
    spans: Vec<(&'static Metadata<'static>, Fields)>,
    events: Vec<(&'static Metadata<'static>, u64, Fields)>,
    /// Number of handles of each span.
    handles: BTreeMap<u64, usize>,
    entered: Vec<u64>,
}

/// Listens to everything up to a level.
#[derive(Clone)]
struct Ear(Arc<Mutex<Told>>, Level);

impl Ear {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.1
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let mut told = self.told();
        told.spans.push((attributes.metadata(), fields));
        let id = u64::try_from(told.spans.len()).unwrap();
        told.handles.insert(id, 1);
        span::Id::from_u64(id)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.told().spans[usize::try_from(span.into_u64()).unwrap() - 1].1);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut told = self.told();
        let parent = event.parent().map(span::Id::into_u64).or_else(|| told.entered.last().copied());
        told.events.push((event.metadata(), parent.unwrap_or_default(), fields));
    }

    fn enter(&self, span: &span::Id) {
        self.told().entered.push(span.into_u64());
    }

    fn exit(&self, span: &span::Id) {
        assert_eq!(self.told().entered.pop(), Some(span.into_u64()));
    }

    fn clone_span(&self, id: &span::Id) -> span::Id {
        *self.told().handles.get_mut(&id.into_u64()).unwrap() += 1;
        id.clone()
    }

    fn try_close(&self, id: span::Id) -> bool {
        let mut told = self.told();
        let handles = told.handles.get_mut(&id.into_u64()).unwrap();
        *handles -= 1;
        *handles == 0
    }
}

/// Events and spans of `run`. Every span must be left and closed by then.
fn listen<T>(level: Level, run: impl FnOnce() -> T) -> (T, Told) {
    let ear = Ear(Arc::default(), level);
    // With one subscriber alone, tracing asks only the thread that first comes past a place whether anybody listens there, and
    // the thread of another test says no for all.
    let _beside = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let result = tracing::subscriber::with_default(ear.clone(), run);
    let told = std::mem::take(&mut *ear.told());
    assert_eq!(told.entered, Vec::<u64>::new());
    assert!(told.handles.values().all(|handles| *handles == 0), "a span is still open");
    for target in told.spans.iter().map(|span| span.0).chain(told.events.iter().map(|event| event.0)) {
        assert_eq!(target.target(), "defender_transport::attempt");
    }
    (result, told)
}

/// The only span and the only event of one attempt, and the level of the event.
fn one(told: &Told) -> (&Fields, &Fields, Level) {
    let ([(_, span)], [(event, parent, fields)]) = (&*told.spans, &*told.events) else { panic!("{told:#?}") };
    assert_eq!(*parent, 1, "the event stands in the span");
    (span, fields, *event.level())
}

fn ask() -> Request<Bytes> {
    Request::get("https://example.com/things/17").body(Bytes::new()).unwrap()
}

/// Sends over `transport`, reads the body, and tells.
fn exchange(transport: impl Transport, request: Request<Bytes>) -> Told {
    let transport = transport.traced(ManualClock::new());
    listen(Level::TRACE, || {
        let read = async { transport.send(request).await?.into_body().collect(1 << 10).await };
        drop(read.now_or_never().unwrap());
    })
    .1
}

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
    let told = exchange(Capture::answering(response.body("done").unwrap()), request.body(Bytes::new()).unwrap());
    let (span, event, level) = one(&told);
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
    event.is(&[("message", "answered"), ("http.client.request.duration", "0.0"), ("http.response.status_code", "201")]);
    assert_eq!(level, Level::DEBUG);
    assert_eq!((told.spans[0].0.name(), *told.spans[0].0.level()), ("try", Level::WARN));
}

#[test]
fn malformed_header_is_not_traced() {
    for (content_type, told) in [
        ("application/problem+json; charset=utf-8; x=canary", Some("application/problem+json")),
        ("grant_type=x&client_secret=canary", None),
        ("https://canary/", None),
        ("canary", None),
    ] {
        let response = Response::builder().header("content-type", content_type).header("request-id", "a=canary");
        let response = response.header("retry-after", "canary".repeat(20)).body("done").unwrap();
        let told_of = exchange(Capture::answering(response), ask());
        let (span, ..) = one(&told_of);
        let name = "http.response.header.content-type";
        told.map_or_else(|| span.has_none_of(&[name]), |told| span.has(&[(name, told)]));
        span.has_none_of(&["http.response.header.request-id", "http.response.header.retry-after"]);
    }
}

#[test]
fn echoed_secret_header_is_not_traced() {
    const GUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
    // Its base64 has nothing but letters and digits, too.
    const ENCODED: &str = "MGY4ZmFkNWItZDljYi00NjlmLWExNjUtNzA4Njc3Mjg5NTBl";
    let sensitive = |value: String| {
        let mut value = HeaderValue::try_from(value).unwrap();
        value.set_sensitive(true);
        Request::post("https://example.com/").header("authorization", value).body(Bytes::new()).unwrap()
    };
    let carried = || Request::post("https://example.com/").extension(Secrets::new([GUID])).body(Bytes::new()).unwrap();
    for echo in [GUID, &GUID.to_uppercase(), ENCODED, &format!("id: {GUID}"), &format!("x-{GUID}")] {
        for request in [carried(), sensitive(format!("Bearer {GUID}")), sensitive(GUID.to_owned())] {
            let response = Response::builder()
                .header("content-type", format!("text/{GUID}"))
                .header("date", echo)
                .header("retry-after", echo)
                .header("request-id", echo)
                .header("x-ms-request-id", echo)
                .header("mise-correlation-id", "0f8fad5b-0000-0000-0000-000000000000");
            let told = exchange(Capture::answering(response.body("done").unwrap()), request);
            let shown = format!("{:?}", one(&told).0).to_lowercase();
            assert!(!shown.contains(GUID) && !shown.contains(&ENCODED.to_lowercase()), "{shown}");
            one(&told).0.has(&[("http.response.header.mise-correlation-id", "0f8fad5b-0000-0000-0000-000000000000")]);
        }
    }
}

#[test]
fn secret_in_no_encoding_is_traced() {
    use base64::{
        Engine,
        engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
    };

    for secret in ["0f8fad5b-d9cb-469f-a165-70867728950e", "s3cr~t+/value", "letters"] {
        let each = |form: fn(u8) -> String| secret.bytes().map(form).collect::<Vec<_>>().concat();
        for echo in [
            secret.to_owned(),
            each(|byte| format!("%{byte:02X}")),
            each(|byte| format!("%{byte:02x}")),
            each(|byte| format!("&#{byte};")),
            each(|byte| format!("\\u{byte:04x}")),
            STANDARD.encode(secret),
            STANDARD_NO_PAD.encode(secret),
            URL_SAFE.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
        ] {
            let names = ["content-type", "date", "retry-after", "request-id", "x-ms-request-id", "mise-correlation-id"];
            let response = names.iter().fold(Response::builder(), |response, name| {
                response.header(*name, if *name == "content-type" { format!("text/{echo}") } else { echo.clone() })
            });
            let request = Request::post("https://example.com/").extension(Secrets::new([secret]));
            let response = Capture::answering(response.header("x-other", &echo).body(echo.clone()).unwrap());
            let told = exchange(response, request.body(Bytes::new()).unwrap());
            let shown = format!("{told:?}");
            assert!(!shown.contains(&echo) && !shown.contains(&echo.escape_debug().to_string()), "{echo}: {shown}");
        }
    }
}

#[test]
fn what_is_not_known_is_left_out() {
    let told = exchange(Capture::answering(Response::new("")), ask());
    let (span, ..) = one(&told);
    span.has(&[("otel.name", "GET"), ("network.protocol.version", "1.1")]);
    span.has_none_of(&["url.template", "http.request.resend_count", "error.type", "otel.status_code"]);

    let first = Request::get("http://[::1]:8080/").extension(Resends(0)).body(Bytes::new()).unwrap();
    let told = exchange(Capture::answering(Response::new("")), first);
    one(&told).0.has(&[("url.scheme", "http"), ("server.address", "::1"), ("server.port", "8080")]);
    one(&told).0.has_none_of(&["http.request.resend_count"]);

    let odd = Request::builder().method(Method::from_bytes(b"CANARY").unwrap()).uri("/").body(Bytes::new()).unwrap();
    let told = exchange(Capture::answering(Response::new("")), odd);
    one(&told).0.has(&[("otel.name", "_OTHER"), ("http.request.method", "_OTHER")]);
    one(&told).0.has_none_of(&["url.scheme", "server.address", "server.port"]);
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
    let ((), told) = listen(Level::TRACE, || {
        while call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            clock.advance_to_next().unwrap();
        }
    });
    let field = |name: &str| told.spans.iter().map(|(_, span)| span.0.get(name).cloned()).collect::<Vec<_>>();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(field("http.response.status_code"), [some("503"), some("429"), some("200")]);
    assert_eq!(field("http.request.resend_count"), [None, some("1"), some("2")]);
    assert_eq!(field("url.template"), [some("/things/{id}"), some("/things/{id}"), some("/things/{id}")]);
    assert_eq!(told.events.len(), 3);
    assert!(!format!("{told:?}").contains("canary"));
}

#[test]
fn error_status_sets_span_and_level() {
    for (status, level) in [("404", Level::DEBUG), ("429", Level::DEBUG), ("500", Level::WARN), ("503", Level::WARN)] {
        let told = exchange(Capture::answering(Response::builder().status(status).body("no").unwrap()), ask());
        let (span, event, told_at) = one(&told);
        span.has(&[("http.response.status_code", status), ("error.type", status), ("otel.status_code", "ERROR")]);
        event.has(&[("message", "answered"), ("http.response.status_code", status), ("error.type", status)]);
        assert_eq!(told_at, level, "{status}");
    }
}

#[test]
fn failed_attempt_is_traced_by_error_kind() {
    for (kind, name, never_sent) in [(ErrorKind::Connect, "Connect", "true"), (ErrorKind::Timeout, "Timeout", "false")]
    {
        let told = exchange(Faulty::scripted(Never, [Fault::ErrorBefore(kind)]), ask());
        let (span, event, level) = one(&told);
        span.has(&[("error.type", name), ("otel.status_code", "ERROR")]);
        span.has_none_of(&["http.response.status_code"]);
        event.is(&[
            ("message", "not answered"),
            ("http.client.request.duration", "0.0"),
            ("error.type", name),
            ("never_sent", never_sent),
        ]);
        assert_eq!(level, Level::WARN);
    }
}

#[test]
fn broken_body_is_traced_with_status() {
    let server = Capture::answering(Response::new("hello"));
    let told = exchange(Faulty::scripted(server, [Fault::TruncateBody(2)]), ask());
    let (span, event, level) = one(&told);
    span.has(&[("http.response.status_code", "200"), ("error.type", "Interrupted"), ("otel.status_code", "ERROR")]);
    event.has(&[
        ("message", "the body broke off"),
        ("http.response.status_code", "200"),
        ("error.type", "Interrupted"),
    ]);
    event.has_none_of(&["never_sent"]);
    assert_eq!(level, Level::WARN);
}

/// Takes a second and a half to send.
#[derive(Debug)]
struct Waits<T>(ManualClock, T);

#[async_trait::async_trait]
impl<T: Transport> Transport for Waits<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        self.0.sleep(Duration::from_millis(1_500)).await;
        self.1.send(request).await
    }
}

fn waits_and_stalls(clock: &ManualClock) -> impl Transport + use<> {
    let stalls = Faulty::scripted(Capture::answering(Response::new("hello")), [Fault::StallBody(2)]);
    Waits(clock.clone(), stalls).deadline(clock.clone()).traced(clock.clone())
}

#[test]
fn duration_runs_to_end_of_body() {
    let clock = ManualClock::new();
    clock.advance(Duration::from_secs(1_000));
    let ((), told) = listen(Level::TRACE, || {
        let transport = waits_and_stalls(&clock);
        let mut call = Box::pin(async { transport.send(ask()).await?.into_body().collect(9).await });
        while call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            clock.advance_to_next().unwrap();
        }
    });
    one(&told).1.has(&[("http.client.request.duration", "31.5"), ("error.type", "Timeout")]);
}

#[test]
fn dropped_call_is_traced_once() {
    for (polls, message) in [(1, "dropped before the head"), (2, "dropped inside the body"), (3, "the body broke off")]
    {
        let clock = ManualClock::new();
        let ((), told) = listen(Level::TRACE, || {
            let transport = waits_and_stalls(&clock);
            let mut call = Box::pin(async { transport.send(ask()).await?.into_body().collect(9).await });
            for _ in 0..polls {
                let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert_eq!(polled.is_ready(), polls == 3 && clock.elapsed() == Duration::from_millis(31_500));
                clock.advance_to_next();
            }
        });
        one(&told).1.has(&[("message", message)]);
        let dropped = message.starts_with("dropped");
        one(&told).1.has(&[("error.type", if dropped { "Dropped" } else { "Timeout" })]);
        assert_eq!(one(&told).2, if dropped { Level::DEBUG } else { Level::WARN });
        assert_eq!(clock.sleeping(), 0);
    }
    let ((), told) = listen(Level::TRACE, || drop(Never.traced(ManualClock::new()).send(ask())));
    assert!(told.spans.is_empty() && told.events.is_empty(), "what was never begun is no try");
}

#[test]
fn reading_the_last_byte_completes_body() {
    let ((), told) = listen(Level::TRACE, || {
        let transport = Capture::answering(Response::new("hello")).traced(ManualClock::new());
        let mut body = transport.send(ask()).now_or_never().unwrap().unwrap().into_body();
        assert_eq!(body.size_hint().exact(), Some(5));
        assert!(Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(body.is_end_stream());
    });
    one(&told).1.has(&[("message", "answered")]);
}

/// Tells something of its own while it sends, and while its body is read.
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
    let told = exchange(Chatty, ask());
    let stands_in: Vec<_> = told.events.iter().map(|(_, parent, fields)| (*parent, &*fields.0["message"])).collect();
    assert_eq!(stands_in, [(1, "sending"), (1, "reading"), (1, "answered")]);
}

#[test]
fn warnings_have_their_span() {
    let send = |level, status: u16| {
        let transport =
            Capture::answering(Response::builder().status(status).body("").unwrap()).traced(ManualClock::new());
        let (response, told) = listen(level, || transport.send(ask()).now_or_never().unwrap().unwrap());
        assert_eq!(response.status(), status);
        (told.spans.len(), told.events.len())
    };
    assert_eq!(send(Level::WARN, 200), (1, 0));
    assert_eq!(send(Level::WARN, 500), (1, 1));
    assert_eq!(send(Level::ERROR, 500), (0, 0));
}

#[test]
fn no_secret_is_ever_traced() {
    const CANARY: &str = "canary";
    let url = "https://canary:canary@example.com/canary/path?sig=canary#canary";
    let headers = ["authorization", "cookie", "x-api-key", "user-agent", "content-type", "date", "retry-after"];
    let request = headers.iter().fold(Request::post(url), |request, name| request.header(*name, CANARY));
    let request = request.body(Bytes::from_static(CANARY.as_bytes())).unwrap();
    let response = |status| {
        let headers = ["set-cookie", "location", "www-authenticate", "x-canary", "server", "etag"];
        let response =
            headers.iter().fold(Response::builder().status(status), |response, name| response.header(*name, CANARY));
        Capture::answering(response.body(CANARY).unwrap())
    };
    let mut told = Vec::new();
    for status in [200, 302, 401, 500] {
        told.push(exchange(response(status), request.clone()));
        told.push(exchange(Faulty::scripted(response(status), [Fault::TruncateBody(6)]), request.clone()));
    }
    let mut talkative = MockTransport::new();
    talkative.expect_send().return_once(|request| {
        Err(Error::new(ErrorKind::Connect).context(request.uri().to_string()).caused_by(CANARY))
    });
    told.push(exchange(talkative, request));
    for told in told {
        one(&told);
        assert!(!format!("{told:?}").contains(CANARY), "{told:#?}");
    }
}

#[test]
fn long_header_is_shortened_in_trace() {
    let long = "é".repeat(9_000);
    let values = ["x".repeat(64).into_bytes(), "x".repeat(65).into_bytes(), long.into_bytes()];
    for (value, traced) in values.into_iter().zip([Some(64), None, None]) {
        let response = Response::builder().header("date", value).body("").unwrap();
        let told = exchange(Capture::answering(response), ask());
        assert_eq!(one(&told).0.0.get("http.response.header.date").map(String::len), traced);
    }
}
