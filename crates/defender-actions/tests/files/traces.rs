//! What is told to `tracing` of a download, of every target and level.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
};

use defender_actions::ErrorKind;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::store::{CANARY, LINK, Store, always, content, good};

#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<String>>);

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0.lock().unwrap(), "{field}={value:?} ");
    }
}

impl Subscriber for Told {
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

#[tokio::test]
async fn no_trace_shows_the_query_of_a_link_or_the_token() {
    let told = Told::default();
    // With one subscriber alone, tracing asks only the thread that first comes past a place whether anybody listens there, and
    // the thread of another test says no for all.
    let _beside = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(told.clone());
    let all = content(5_000);
    let store = Store::new([
        always(403, &[], LINK),
        always(503, &[("retry-after", "1")], LINK),
        good(all.clone(), Some(2_000)),
        good(all, None),
    ]);
    store.run(store.action().package().write_to(Vec::new())).await.unwrap();
    let moved = Store::new([always(302, &[("location", LINK)], LINK)]);
    let error = moved.run(moved.action().package().write_to(Vec::new())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let told = told.0.lock().unwrap();
    assert!(told.contains("blobs.example.com"), "the store's exchanges are traced: {told}");
    assert!(!told.contains(CANARY) && !told.contains("Bearer"), "{told}");
}
