//! Trace of a wait.
#![cfg(all(feature = "testing", feature = "tracing"))]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{
    Transport, TransportExt,
    extensions::{RateLimit, RateLimitScope},
    testing::{Capture, ManualClock},
};
use http::{Request, Response};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Records events as text.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("defender_transport")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = format!("{} {}", event.metadata().level(), event.metadata().target());
        event.record(&mut Line(&mut line));
        self.0.lock().unwrap().push(line);
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(flavor = "current_thread")]
async fn long_queue_wait_is_traced() {
    for (per, told) in [
        (1_000, vec![]),
        (
            1_001,
            vec!["INFO defender_transport::queue message=waited for a turn scope=\"things\" waited=1.001".to_owned()],
        ),
    ] {
        let (clock, recorder) = (ManualClock::new(), Recorder::default());
        let transport = Capture::answering(Response::new("")).paced(clock.clone());
        let limits = vec![RateLimit { calls: 1, per: Duration::from_millis(per) }];
        let scope = RateLimitScope { key: "things".into(), limits: limits.into() };
        let request = Request::get("https://example.com/").extension(scope).body(Bytes::new()).unwrap();
        // As in `traced`: one dispatcher alone may record nothing.
        let _beside = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        let listening = tracing::subscriber::set_default(recorder.clone());
        for _ in 0..2 {
            clock.run(transport.send(request.clone())).await.unwrap();
        }
        drop(listening);
        assert_eq!(*recorder.0.lock().unwrap(), told);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn late_turn_is_a_warning() {
    let (clock, recorder) = (ManualClock::new(), Recorder::default());
    let transport = Capture::answering(Response::new("")).paced(clock.clone());
    let limits = vec![RateLimit { calls: 1, per: Duration::from_secs(600) }];
    let scope = RateLimitScope { key: "things".into(), limits: limits.into() };
    let request = Request::get("https://example.com/").extension(scope).body(Bytes::new()).unwrap();
    let _beside = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let listening = tracing::subscriber::set_default(recorder.clone());
    clock.run(transport.send(request.clone())).await.unwrap();
    clock.run(transport.send(request)).await.unwrap_err();
    drop(listening);
    let told =
        "WARN defender_transport::queue message=no turn within the time of the call scope=\"things\" retry_after=600.0";
    assert_eq!(*recorder.0.lock().unwrap(), [told]);
}
