//! The span of an action, and the events of its end.

use std::time::Duration;

use defender_actions::{ErrorKind, Origin};
use defender_emulator::{Fault, Operation, RetryAfter};

use crate::{
    recorder::Recorder,
    world::{HOUR, World},
};

const TARGET: &str = "defender_actions::action";

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
    world.run(recovered.handle().cancel("canary comment").send()).await.unwrap();

    let fields = ["task", "type", "origin", "attempts", "action", "error.type"];
    let shown = |fields_of: &std::collections::BTreeMap<String, String>| {
        assert_eq!(fields_of["machine"], world.machine().as_str());
        fields.map(|field| fields_of.get(field).cloned().unwrap_or_default())
    };
    let (made, lost) = (created.id().as_str(), recovered.id().as_str());
    let expected = [
        ["submit", "Isolate", "Created", "3", made, ""],
        ["submit", "Isolate", "Joined", "1", made, ""],
        ["submit", "Unisolate", "Recovered", "1", lost, ""],
        ["submit", "Offboard", "", "1", "", "Refused"],
        ["cancel", "Unisolate", "", "1", lost, ""],
    ];
    let spans: Vec<_> = recorder.spans("defender.action").iter().map(shown).collect();
    assert_eq!(spans, expected);
    // The event at the end has the same fields as the span.
    let events = recorder.events(TARGET);
    let ends = events.iter().filter(|event| event.fields.0.contains_key("task"));
    assert_eq!(ends.map(|event| shown(&event.fields.0)).collect::<Vec<_>>(), expected);
    let all = format!("{:?}", recorder.entries());
    assert!(!all.contains("canary") && !all.contains("eyJ"), "{all}");
}

#[tokio::test]
async fn each_action_ends_with_one_event() {
    let recorder = Recorder::default();
    let _guard = recorder.listen();
    let world = World::with(|emulator| emulator.pending_for(HOUR));
    let client = world.client();
    let machine = client.machine(world.machine());
    let lines = |from: usize| -> Vec<String> {
        recorder.events(TARGET)[from..].iter().map(super::recorder::Entry::line).collect()
    };

    let isolated = world.run(machine.isolate("c").send()).await.unwrap();
    assert_eq!(lines(0), ["INFO action accepted"]);
    world.run(machine.isolate("c").send()).await.unwrap();
    assert_eq!(lines(1), ["DEBUG searching for the pending action", "INFO action accepted"]);
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::Unisolate).times(1);
    world.run(machine.unisolate("c").send()).await.unwrap();
    assert_eq!(lines(3), ["WARN response lost, searching for the action", "INFO action accepted"]);
    world.emulator.fault(Fault::ResetBeforeEffect).on(Operation::Offboard).times(1);
    let unknown = world.run(machine.offboard("c").send()).await.unwrap_err();
    assert_eq!(lines(5), ["WARN response lost, searching for the action", "WARN action outcome unknown"]);
    let intent = unknown.intent().unwrap().clone();
    world.run(client.recover(intent).send()).await.unwrap_err();
    assert_eq!(lines(7), ["WARN action outcome unknown"]);
    world.emulator.fault(Fault::Status(403, RetryAfter::Absent)).on(Operation::Offboard);
    world.run(machine.offboard("c").send()).await.unwrap_err();
    assert_eq!(lines(8), ["WARN action not accepted"]);
    world.emulator.fault(Fault::Hang).on(Operation::RestrictCodeExecution);
    assert!(world.run_for(Duration::from_secs(1), machine.restrict_code_execution("c").send()).await.is_none());
    assert_eq!(lines(9), ["WARN action dropped"]);
    world.run(isolated.cancel("c").send()).await.unwrap();
    assert_eq!(lines(10), ["INFO action cancelled"]);
    world.run(isolated.cancel("c").send()).await.unwrap_err();
    assert_eq!(lines(11), ["WARN action not cancelled"]);
    assert!(client.machine(world.machine()).isolate(" ").await.is_err());
    assert_eq!(lines(12), [""; 0], "an invalid request is not reported");
}
