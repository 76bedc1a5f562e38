//! The spans of rows.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::world::{World, counts};

/// Name and fields of a span, and the name of the span around it.
#[derive(Clone, Debug, Default)]
struct Span {
    name: String,
    fields: BTreeMap<String, String>,
    around: Option<String>,
}

impl Visit for Span {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

#[derive(Clone, Debug, Default)]
struct Recorder(Arc<Mutex<(Vec<Span>, Vec<usize>)>>);

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("defender_")
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut span = Span { name: attributes.metadata().name().to_owned(), ..Span::default() };
        attributes.record(&mut span);
        let (spans, entered) = &mut *self.0.lock().unwrap();
        span.around = entered.last().map(|place| spans[*place].name.clone());
        spans.push(span);
        span::Id::from_u64(spans.len() as u64)
    }

    fn enter(&self, span: &span::Id) {
        self.0.lock().unwrap().1.push(usize::try_from(span.into_u64()).unwrap() - 1);
    }

    fn exit(&self, _: &span::Id) {
        self.0.lock().unwrap().1.pop();
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &Event<'_>) {}
}

#[tokio::test]
async fn span_names_the_tenant() {
    let recorder = Recorder::default();
    let world = World::new(3);
    let run = world.start(&world.release()).await;
    let report = {
        // With one dispatcher alone, the thread of another test would disable a callsite for all.
        let _beside = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        let _listening = tracing::subscriber::set_default(recorder.clone());
        world.run(run.finish()).await.unwrap()
    };
    assert_eq!(counts(&report), (3, 0, 0, 0));
    let spans = recorder.0.lock().unwrap().0.clone();
    let rows: Vec<_> = spans.iter().filter(|span| span.name == "row").collect();
    assert_eq!(rows.len(), 3);
    for (row, machine) in rows.iter().zip(world.emulator.machine_ids()) {
        assert_eq!(row.fields["tenant"], "contoso");
        assert_eq!((row.fields["run"].as_str(), row.fields["machine"].as_str()), (run.id().as_str(), machine));
    }
    let in_rows = spans.iter().filter(|span| span.around.as_deref() == Some("row")).count();
    assert!(in_rows >= 3, "the span of each action is in that of its row: {spans:?}");
}
