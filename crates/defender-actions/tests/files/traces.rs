//! Events of a download in `tracing`, of every target and level.

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
struct Recorder(Arc<Mutex<String>>);

impl Visit for Recorder {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0.lock().unwrap(), "{field}={value:?} ");
    }
}

impl Subscriber for Recorder {
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
async fn traces_show_no_secrets() {
    let recorded = Recorder::default();
    // With one subscriber alone, tracing asks only the thread that first passes a callsite whether it is enabled, and the thread of
    // another test would disable it for all.
    let _beside = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(recorded.clone());
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
    let recorded = recorded.0.lock().unwrap();
    assert!(recorded.contains("blobs.example.com"), "no exchange with the store was traced: {recorded}");
    assert!(!recorded.contains(CANARY) && !recorded.contains("Bearer"), "{recorded}");
}
