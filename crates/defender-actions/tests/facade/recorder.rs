//! Recorder of the spans and events of this project.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Fields by name, as text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(pub(crate) BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

/// Span or event.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) metadata: &'static Metadata<'static>,
    pub(crate) fields: Fields,
}

impl Entry {
    /// Returns the level and the message.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.metadata.level(), self.fields.0["message"])
    }
}

/// Recorded spans and events, in the order of their beginning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Entry>>>);

impl Recorder {
    pub(crate) fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap()
    }

    /// Returns the events of this target.
    pub(crate) fn events(&self, target: &str) -> Vec<Entry> {
        let entries = self.entries();
        let events = entries.iter().filter(|entry| entry.metadata.is_event() && entry.metadata.target() == target);
        events.cloned().collect()
    }

    /// Returns the fields of each span of this name.
    pub(crate) fn spans(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        let entries = self.entries();
        let spans = entries.iter().filter(|entry| entry.metadata.is_span() && entry.metadata.name() == name);
        spans.map(|entry| entry.fields.0.clone()).collect()
    }

    /// Records on this thread until the returned guard is dropped.
    ///
    /// A second dispatcher is necessary. With one alone, tracing asks only the thread that first passes a callsite whether it is
    /// enabled, and the thread of another test would disable it for all.
    pub(crate) fn listen(&self) -> (tracing::subscriber::DefaultGuard, tracing::Dispatch) {
        let beside = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        (tracing::subscriber::set_default(self.clone()), beside)
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("defender_")
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let mut entries = self.entries();
        entries.push(Entry { metadata: attributes.metadata(), fields });
        span::Id::from_u64(entries.len() as u64)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let place = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut self.entries()[place].fields);
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.entries().push(Entry { metadata: event.metadata(), fields });
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
