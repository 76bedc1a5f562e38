//! The end of an attempt, and its duration.

use super::*;

#[test]
fn failed_attempt_is_traced_by_error_kind() {
    for (kind, name, never_sent) in [(ErrorKind::Connect, "Connect", "true"), (ErrorKind::Timeout, "Timeout", "false")]
    {
        let traces = exchange(Faulty::scripted(Never, [Fault::ErrorBefore(kind)]), request());
        let (span, event, level) = one(&traces);
        span.has(&[("error.type", name), ("otel.status_code", "ERROR")]);
        span.has_none_of(&["http.response.status_code"]);
        event.is(&[
            ("message", "no response"),
            ("http.client.request.duration", "0.0"),
            ("error.type", name),
            ("never_sent", never_sent),
        ]);
        assert_eq!(level, Level::INFO);
    }
}

#[test]
fn broken_body_is_traced_with_status() {
    let server = Capture::answering(Response::new("hello"));
    let traces = exchange(Faulty::scripted(server, [Fault::TruncateBody(2)]), request());
    let (span, event, level) = one(&traces);
    span.has(&[("http.response.status_code", "200"), ("error.type", "Interrupted"), ("otel.status_code", "ERROR")]);
    event.has(&[
        ("message", "response body broken"),
        ("http.response.status_code", "200"),
        ("error.type", "Interrupted"),
    ]);
    event.has_none_of(&["never_sent"]);
    assert_eq!(level, Level::INFO);
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
    let ((), traces) = listen(Level::TRACE, || {
        let transport = waits_and_stalls(&clock);
        let mut call = Box::pin(async { transport.send(request()).await?.into_body().collect(9).await });
        while call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            clock.advance_to_next().unwrap();
        }
    });
    one(&traces).1.has(&[("http.client.request.duration", "31.5"), ("error.type", "Timeout")]);
}

#[test]
fn dropped_call_is_traced_once() {
    for (polls, message) in
        [(1, "dropped before the response"), (2, "dropped inside the response body"), (3, "response body broken")]
    {
        let clock = ManualClock::new();
        let ((), traces) = listen(Level::TRACE, || {
            let transport = waits_and_stalls(&clock);
            let mut call = Box::pin(async { transport.send(request()).await?.into_body().collect(9).await });
            for _ in 0..polls {
                let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert_eq!(polled.is_ready(), polls == 3 && clock.elapsed() == Duration::from_millis(31_500));
                clock.advance_to_next();
            }
        });
        one(&traces).1.has(&[("message", message)]);
        let dropped = message.starts_with("dropped");
        one(&traces).1.has(&[("error.type", if dropped { "Dropped" } else { "Timeout" })]);
        assert_eq!(one(&traces).2, if dropped { Level::DEBUG } else { Level::INFO });
        assert_eq!(clock.sleeping(), 0);
    }
    let ((), traces) = listen(Level::TRACE, || drop(Never.traced(ManualClock::new()).send(request())));
    assert!(traces.spans.is_empty() && traces.events.is_empty(), "a future that was never polled is no attempt");
}

#[test]
fn reading_the_last_byte_completes_body() {
    let ((), traces) = listen(Level::TRACE, || {
        let transport = Capture::answering(Response::new("hello")).traced(ManualClock::new());
        let mut body = transport.send(request()).now_or_never().unwrap().unwrap().into_body();
        assert_eq!(body.size_hint().exact(), Some(5));
        assert!(Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(body.is_end_stream());
    });
    one(&traces).1.has(&[("message", "response received")]);
}
