//! `docs/observability.md` lists each event and span with its fields, and nothing else.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use defender_actions::{
    DefenderClient, ErrorKind,
    auth::StaticCredential,
    transport::{
        Body, Transport, TransportExt,
        extensions::{Resends, UrlTemplate},
        testing::{Capture, Fault as Broken, Faulty, ManualClock, Never},
    },
};
use defender_emulator::{Fault, Operation, Outcome};
use futures_util::future::join_all;
use http::{Request, Response};
use serde_json::json;

use crate::{
    deprecation::Ending,
    page::{Fields, assert_same, documented},
    recorder::Recorder,
    world::{HOUR, World},
};

/// Submissions, cancellations and waits with each end.
async fn actions(world: &World) {
    let client = world.client();
    let machine = client.machine(world.machine());
    let isolated = world.run(machine.isolate("c").send()).await.unwrap();
    world.run(machine.isolate("c").send()).await.unwrap();
    world.run(machine.unisolate("c").refuse_if_inverse_pending().send()).await.unwrap_err();
    world.run(isolated.wait().at_most(Duration::from_secs(1)).send()).await.unwrap_err();
    world.run(isolated.wait().send()).await.unwrap();
    world.emulator.outcome(Outcome::Failed { error_hresult: -1 }).times(1);
    let released = world.run(machine.unisolate("c").send()).await.unwrap();
    world.run(released.wait().send()).await.unwrap_err();
    world.run(released.cancel("c").send()).await.unwrap_err();
    world.emulator.fault(Fault::ResetBeforeEffect).on(Operation::CancelAction).times(1);
    world.run(released.cancel("c").send()).await.unwrap_err();
    let restricted = world.run(machine.restrict_code_execution("c").send()).await.unwrap();
    world.emulator.fault(Fault::Hang).on(Operation::CancelAction).times(1);
    assert!(world.run_for(Duration::from_secs(1), restricted.cancel("c").send()).await.is_none());
    world.emulator.fault(Fault::ResetBeforeEffect).on(Operation::CancelAction).times(1);
    let unknown = world.run(restricted.cancel("c").send()).await.unwrap_err();
    assert!(matches!(unknown.kind(), ErrorKind::OutcomeUnknown | ErrorKind::Refused), "{unknown}");
    let offboarded = world.run(machine.unrestrict_code_execution("c").send()).await.unwrap();
    world.run(offboarded.cancel("c").send()).await.unwrap();
    world.emulator.fault(Fault::OtherType).on(Operation::GetAction).times(1);
    world.run(restricted.wait().send()).await.unwrap_err();
    world.emulator.fault(Fault::ResetBeforeEffect).on(Operation::Offboard).times(1);
    world.run(machine.offboard("c").send()).await.unwrap_err();
    world.emulator.fault(Fault::Hang).on(Operation::CollectInvestigationPackage).times(1);
    let collects = machine.collect_investigation_package("c").send();
    assert!(world.run_for(Duration::from_secs(1), collects).await.is_none());
}

/// Returns a client whose service always responds with this record.
fn client_of(record: &serde_json::Value) -> (DefenderClient, ManualClock) {
    let clock = ManualClock::new();
    let transport = Capture::answering(Response::builder().status(201).body(record.to_string()).unwrap());
    let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport);
    (builder.clock(clock.clone()).build().unwrap(), clock)
}

/// Records that are about another action.
async fn other_records() {
    let (client, clock) = client_of(&json!({"id": "a1", "type": "Isolate", "machineId": "m2", "status": "Pending"}));
    clock.run(client.machine("m1".parse().unwrap()).isolate("c").send()).await.unwrap_err();
    let other = json!({"id": "a2", "type": "Isolate", "machineId": "m1", "status": "Pending"});
    let (client, clock) = client_of(&other);
    clock.run(client.action("a1".parse().unwrap()).cancel("c").send()).await.unwrap_err();
}

/// Calls that wait for the quota, and calls whose turn does not come.
async fn queue(world: &World) {
    let client = world.client();
    let calls = (0..150).map(|number| {
        let patience = Duration::from_secs(if number % 2 == 0 { 90 } else { 5 });
        client.machine(world.machine()).get().timeout(patience).send()
    });
    world.run(join_all(calls)).await;
}

/// Attempts with each end.
async fn attempts() {
    let headers = ["date", "retry-after", "request-id", "x-ms-request-id", "mise-correlation-id"];
    let response = |status: u16| {
        let response = Response::builder().status(status).header("content-type", "text/plain");
        headers.iter().fold(response, |response, name| response.header(*name, "1")).body("body").unwrap()
    };
    let request = || {
        let request = Request::get("https://example.com/things/17").extension(UrlTemplate("/things/{id}".into()));
        request.extension(Resends(1)).body(Bytes::new()).unwrap()
    };
    let clock = ManualClock::new();
    for status in [200, 404, 500] {
        let transport = Capture::answering(response(status)).traced(clock.clone()).buffered();
        transport.send(request()).await.unwrap();
    }
    let broken = Faulty::scripted(Capture::answering(response(200)), [Broken::TruncateBody(1)]);
    broken.traced(clock.clone()).buffered().send(request()).await.unwrap_err();
    let refused = Faulty::scripted(Never, [Broken::ErrorBefore(defender_actions::transport::ErrorKind::Connect)]);
    refused.traced(clock.clone()).send(request()).await.unwrap_err();
    let stalled = Faulty::scripted(Capture::answering(response(200)), [Broken::StallBody(1)]).traced(clock.clone());
    let body: Body = stalled.send(request()).await.unwrap().into_body();
    drop(body);
    let never = Never.traced(clock.clone());
    let mut dropped = never.send(request());
    assert!(futures_util::poll!(&mut dropped).is_pending());
}

#[tokio::test]
async fn page_lists_each_event_and_span() {
    let recorder = Recorder::default();
    let guard = recorder.listen();
    let world = World::with(|emulator| emulator.pending_for(HOUR / 2));
    actions(&world).await;
    other_records().await;
    queue(&world).await;
    attempts().await;
    let ending = DefenderClient::builder().credential(StaticCredential::new("t")).transport(Ending).build().unwrap();
    ending.machine("m1".parse().unwrap()).isolate("c").await.unwrap();
    drop(guard);

    let (mut events, mut spans) = (Fields::new(), Fields::new());
    for entry in &*recorder.entries() {
        let metadata = entry.metadata;
        let mut fields: BTreeSet<_> = entry.fields.0.keys().cloned().collect();
        let (name, table) = if metadata.is_span() {
            (metadata.name().to_owned(), &mut spans)
        } else {
            fields.remove("message");
            (entry.fields.0["message"].clone(), &mut events)
        };
        let key = [metadata.target().to_owned(), metadata.level().to_string(), name];
        table.entry(key).or_default().extend(fields);
    }
    assert_same(&events, &documented("Events"));
    assert_same(&spans, &documented("Spans"));
}
