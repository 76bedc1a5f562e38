//! Spans and events of an action in `tracing`.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use defender_actions::{ErrorKind, Origin};
use defender_emulator::{Fault, Operation, RetryAfter};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::world::{HOUR, World};

/// Recorded spans and events of this crate, with their fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<(String, Fields)>>>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("defender_actions")
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let mut entries = self.0.lock().unwrap();
        entries.push((attributes.metadata().name().to_owned(), fields));
        span::Id::from_u64(entries.len() as u64)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        let place = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut self.0.lock().unwrap()[place].1);
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.lock().unwrap().push((format!("{} event", event.metadata().target()), fields));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl Recorder {
    /// Returns the fields of each event of this target.
    pub(crate) fn events(&self, target: &str) -> Vec<BTreeMap<String, String>> {
        let entries = self.0.lock().unwrap();
        entries
            .iter()
            .filter(|(name, _)| *name == format!("{target} event"))
            .map(|(_, fields)| fields.0.clone())
            .collect()
    }

    /// Records on this thread until the returned guard is dropped.
    ///
    /// A second dispatcher is necessary. With one alone, tracing asks only the thread that first passes a callsite whether it is
    /// enabled, and the thread of another test would disable it for all.
    pub(crate) fn listen(&self) -> (tracing::subscriber::DefaultGuard, tracing::Dispatch) {
        let beside = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        (tracing::subscriber::set_default(self.clone()), beside)
    }

    fn spans(&self) -> Vec<BTreeMap<String, String>> {
        let entries = self.0.lock().unwrap();
        entries.iter().filter(|(name, _)| name == "defender.action").map(|(_, fields)| fields.0.clone()).collect()
    }
}

#[tokio::test]
async fn action_span_has_its_fields() {
    let recorder = Recorder::default();
    let _guard = recorder.listen();
    let world = World::with(|emulator| emulator.pending_for(HOUR));
    let machine = world.client().machine(world.machine());
    world.emulator.fault(Fault::RefuseConnection).on(Operation::Isolate).times(2);
    let created = world.run(machine.isolate("canary comment").send()).await.unwrap();
    let joined = world.run(machine.isolate("canary comment").send()).await.unwrap();
    assert_eq!((created.origin(), joined.origin()), (Origin::Created, Origin::Joined));
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::Unisolate).times(1);
    let recovered = world.run(machine.unisolate("canary comment").send()).await.unwrap();
    world.emulator.fault(Fault::Status(400, RetryAfter::Absent)).on(Operation::Offboard);
    let refused = world.run(machine.offboard("canary comment").send()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);

    let spans = recorder.spans();
    let shown: Vec<_> = spans
        .iter()
        .map(|span| {
            assert_eq!(span["machine"], world.machine().as_str());
            ["type", "origin", "attempts", "action", "error.type"]
                .map(|field| span.get(field).map(String::as_str).unwrap_or_default())
        })
        .collect();
    let (made, lost) = (created.id().as_str(), recovered.id().as_str());
    assert_eq!(
        shown,
        [
            ["Isolate", "Created", "3", made, ""],
            ["Isolate", "Joined", "1", made, ""],
            ["Unisolate", "Recovered", "1", lost, ""],
            ["Offboard", "", "1", "", "Refused"],
        ]
    );
    let all = format!("{:?}", recorder.0.lock().unwrap());
    assert!(!all.contains("canary") && !all.contains("eyJ"), "{all}");
    // The search for an action is an event.
    assert_eq!(recorder.events("defender_actions::action").len(), 2);
}
