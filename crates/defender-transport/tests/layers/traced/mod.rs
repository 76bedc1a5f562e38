//! The span and the event of an attempt. This file has the recorder.
#![cfg(all(feature = "testing", feature = "tracing"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of a test fails as the test does"
)]

mod endings;
mod fields;
mod secrets;

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
    extensions::{Resends, Shared, UrlTemplate},
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
struct Traces {
    spans: Vec<(&'static Metadata<'static>, Fields)>,
    events: Vec<(&'static Metadata<'static>, u64, Fields)>,
    /// Number of handles of each span.
    handles: BTreeMap<u64, usize>,
    entered: Vec<u64>,
}

/// Records everything up to a level.
#[derive(Clone)]
struct Recorder(Arc<Mutex<Traces>>, Level);

impl Recorder {
    fn traces(&self) -> MutexGuard<'_, Traces> {
        self.0.lock().unwrap()
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.1
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let mut traces = self.traces();
        traces.spans.push((attributes.metadata(), fields));
        let id = u64::try_from(traces.spans.len()).unwrap();
        traces.handles.insert(id, 1);
        span::Id::from_u64(id)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.traces().spans[usize::try_from(span.into_u64()).unwrap() - 1].1);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut traces = self.traces();
        let parent = event.parent().map(span::Id::into_u64).or_else(|| traces.entered.last().copied());
        traces.events.push((event.metadata(), parent.unwrap_or_default(), fields));
    }

    fn enter(&self, span: &span::Id) {
        self.traces().entered.push(span.into_u64());
    }

    fn exit(&self, span: &span::Id) {
        assert_eq!(self.traces().entered.pop(), Some(span.into_u64()));
    }

    fn clone_span(&self, id: &span::Id) -> span::Id {
        *self.traces().handles.get_mut(&id.into_u64()).unwrap() += 1;
        id.clone()
    }

    fn try_close(&self, id: span::Id) -> bool {
        let mut traces = self.traces();
        let handles = traces.handles.get_mut(&id.into_u64()).unwrap();
        *handles -= 1;
        *handles == 0
    }
}

/// Returns the result, the events and the spans of `run`. Each span must be exited and closed by then.
fn listen<T>(level: Level, run: impl FnOnce() -> T) -> (T, Traces) {
    let recorder = Recorder(Arc::default(), level);
    // A second dispatcher is necessary. With one alone, tracing asks only the thread that first passes a callsite whether it is
    // enabled, and the thread of another test would disable it for all.
    let _beside = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let result = tracing::subscriber::with_default(recorder.clone(), run);
    let traces = std::mem::take(&mut *recorder.traces());
    assert_eq!(traces.entered, Vec::<u64>::new());
    assert!(traces.handles.values().all(|handles| *handles == 0), "a span is still open");
    for target in traces.spans.iter().map(|span| span.0).chain(traces.events.iter().map(|event| event.0)) {
        assert_eq!(target.target(), "defender_transport::attempt");
    }
    (result, traces)
}

/// The only span and the only event of one attempt, and the level of the event.
fn one(traces: &Traces) -> (&Fields, &Fields, Level) {
    let ([(_, span)], [(event, parent, fields)]) = (&*traces.spans, &*traces.events) else { panic!("{traces:#?}") };
    assert_eq!(*parent, 1, "the event is in the span");
    (span, fields, *event.level())
}

fn request() -> Request<Bytes> {
    Request::get("https://example.com/things/17").body(Bytes::new()).unwrap()
}

/// Sends a request over `transport` and reads the body. Returns the traces.
fn exchange(transport: impl Transport, request: Request<Bytes>) -> Traces {
    let transport = transport.traced(ManualClock::new());
    listen(Level::TRACE, || {
        let read = async { transport.send(request).await?.into_body().collect(1 << 10).await };
        drop(read.now_or_never().unwrap());
    })
    .1
}
