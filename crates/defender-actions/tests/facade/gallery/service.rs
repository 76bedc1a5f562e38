//! What the service refuses.

use std::time::Duration;

use defender_actions::{
    Error,
    model::{LiveResponseCommand, Sha1},
};
use defender_emulator::{Duplicates, ErrorCode, Fault as Wrong, Operation, RetryAfter};
use serde_json::json;

use super::{Canned, Fault, JSON, machine, response, world};
use crate::world::{HOUR, World};

/// The error of a read where the service does this.
async fn reading(wrong: Wrong) -> Error {
    let world = world();
    world.emulator.fault(wrong).on(Operation::GetAction);
    super::reading(&world, &world.client()).await
}

/// The error of an action that the service refuses with this code.
async fn refused(code: ErrorCode) -> Error {
    let world = world();
    world.emulator.fault(Wrong::Code(code)).on(Operation::Isolate);
    world.run(world.client().machine(world.machine()).isolate("Ransomware").send()).await.unwrap_err()
}

/// The error of looking for a machine by its name where the list has these.
async fn finding(name: &str, machines: serde_json::Value) -> Error {
    let list = json!({ "value": machines }).to_string();
    let canned = Canned::new(move |request| match request.uri().path() {
        "/api/machines" => response(200, JSON, list.clone()),
        _ => response(404, JSON, r#"{"error":{"code":"ResourceNotFound","message":"Machine was not found"}}"#),
    });
    canned.run(canned.client.machines().find(name).send()).await.unwrap_err()
}

/// The error of an ordered action that meets its inverse.
async fn inverse() -> Error {
    let world = World::with(|emulator| emulator.ids(1).pending_for(HOUR).duplicates(Duplicates::Refuse));
    let machine = world.client().machine(world.machine());
    world.run(machine.isolate("by somebody else").send()).await.unwrap();
    world.run(machine.unisolate("False positive").refuse_if_inverse_pending().send()).await.unwrap_err()
}

/// A machine of this name, as a list has it.
fn listed(id: &str, name: &str, more: &serde_json::Value) -> serde_json::Value {
    let mut machine =
        json!({"id": id, "computerDnsName": name, "lastSeen": "2026-11-28T09:00:00Z", "healthStatus": "Active"});
    for (field, value) in more.as_object().unwrap() {
        machine[field] = value.clone();
    }
    machine
}

pub(super) async fn faults() -> Vec<Fault> {
    let none = json!({});
    let twins = json!([
        listed("a1", "ws-eng-04", &none),
        listed("b2", "WS-ENG-04", &json!({"healthStatus": "Inactive", "isPotentialDuplication": true})),
    ]);
    let near = json!([listed("a1", "ws-eng-042", &none)]);
    let offline = Canned::new(|_| {
        response(
            200,
            JSON,
            r#"{"id":"d0f7c1b2a3948576e1f0a9b8c7d6e5f403122134","healthStatus":"Inactive","osPlatform":"Ubuntu"}"#,
        )
    });
    let pending = json!({"id": "a1", "type": "Isolate", "status": "Pending", "machineId": machine().as_str(),
        "requestorComment": "by somebody else", "creationDateTimeUtc": "2026-01-01T11:59:00Z"});
    let selective = json!({"id": "a1", "type": "Isolate", "status": "Pending", "machineId": machine().as_str(),
        "scope": "Selective", "requestorComment": "by somebody else", "creationDateTimeUtc": "2026-01-01T11:59:00Z"});
    let conflict = Canned::new(move |request| match request.method().as_str() {
        "POST" => response(
            400,
            JSON,
            r#"{"error":{"code":"ActiveRequestAlreadyExists","message":"Action is already in progress"}}"#,
        ),
        _ => response(200, JSON, json!({"value": [selective]}).to_string()),
    });
    let in_progress = Canned::new(move |request| match request.method().as_str() {
        "POST" => response(
            400,
            JSON,
            r#"{"error":{"code":"ActiveRequestAlreadyExists","message":"Action is already in progress"}}"#,
        ),
        _ => response(200, JSON, json!({"value": [pending]}).to_string()),
    });
    let busy = world();
    let sessions = Wrong::TooManyRequests(RetryAfter::Seconds(30));
    busy.emulator.fault(sessions).on(Operation::RunLiveResponse);
    let bulk = world();
    let script = || [LiveResponseCommand::run_script("collect.ps1")];
    let gone = Canned::new(|_| response(410, JSON, r#"{"error":{"code":"Gone","message":"Use Microsoft Graph"}}"#));
    let invalid = r#"{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.1","title":"One or more validation errors occurred.","status":400,"errors":{"Comment":["The Comment field is required."]},"traceId":"00-4bf92f3577b34da6-01"}"#;
    let hash: Sha1 = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9".parse().unwrap();
    vec![
        ("machine that is not there", {
            let world = world();
            world.run(world.client().machine(machine()).isolate("Ransomware").send()).await.unwrap_err()
        }),
        ("action that is not there", {
            let world = world();
            super::reading(&world, &world.client()).await
        }),
        ("name of no machine", finding("ws-eng-04", json!([])).await),
        ("name that only begins so", finding("ws-eng-04", near).await),
        ("ambiguous name", finding("ws-eng-04", twins).await),
        ("machine that is offline", {
            let call = offline.client.machine(machine()).restrict_code_execution("Dropper").check_machine();
            offline.run(call.send()).await.unwrap_err()
        }),
        ("action that is pending already", in_progress.isolating().await),
        ("pending action with other particulars", conflict.isolating().await),
        ("pending inverse of the action", inverse().await),
        ("system that does not support it", refused(ErrorCode::OsPlatformNotSupported).await),
        ("sensor that is too old", refused(ErrorCode::ClientVersionNotSupported).await),
        ("field that is missing", refused(ErrorCode::MissingRequiredParameter).await),
        ("problem details", Canned::responding(400, "application/problem+json", invalid).isolating().await),
        ("wrong hash", {
            let world = world();
            world.emulator.fault(Wrong::Code(ErrorCode::InvalidHashValue)).on(Operation::StopAndQuarantineFile);
            let call = world.client().machine(world.machine()).stop_and_quarantine_file("Dropper", hash);
            world.run(call.send()).await.unwrap_err()
        }),
        ("operation that is retired", gone.isolating().await),
        ("throttled", reading(Wrong::TooManyRequests(RetryAfter::Seconds(400))).await),
        ("throttled without a time", reading(Wrong::TooManyRequests(RetryAfter::Absent)).await),
        ("too many live response sessions", {
            let call = busy.client().machine(busy.machine()).run_live_response("Ticket 4711", script());
            busy.run(call.timeout(Duration::from_secs(20)).send()).await.unwrap_err()
        }),
        ("own queue that is full", {
            let (client, machine) = (bulk.client(), bulk.machine());
            let run = || {
                let call = client.machine(machine.clone()).run_live_response("Ticket 4711", script());
                call.timeout(Duration::from_secs(10)).send()
            };
            let mut last = bulk.run(run()).await;
            for _ in 0..10 {
                last = bulk.run(run()).await;
            }
            last.unwrap_err()
        }),
        ("service in trouble", reading(Wrong::Status(503, RetryAfter::Absent)).await),
        ("gateway in trouble", reading(Wrong::Html502).await),
    ]
}
