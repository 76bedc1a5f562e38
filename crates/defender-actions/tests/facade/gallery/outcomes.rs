//! Outcomes of actions.

use std::time::Duration;

use defender_actions::Error;
use defender_emulator::{Fault as Wrong, Operation, Outcome, RetryAfter};

use super::{Canned, Fault, JSON, response, world};
use crate::world::{HOUR, World};

/// Error of an isolation whose response is lost at this break.
async fn lost(wrong: Wrong, without_reading: bool) -> Error {
    let world = World::with(|emulator| {
        let emulator = emulator.ids(1);
        if without_reading {
            emulator.without_role("Machine.Read.All").without_role("Machine.ReadWrite.All")
        } else {
            emulator
        }
    });
    world.emulator.fault(wrong).on(Operation::Isolate).times(1);
    world.run(world.client().machine(world.machine()).isolate("Ransomware").send()).await.unwrap_err()
}

/// Error of waiting for an action with this end.
async fn ended(outcome: Outcome) -> Error {
    let world = world();
    world.emulator.outcome(outcome);
    let submitted = world.client().machine(world.machine()).isolate("Ransomware");
    let submitted = world.run(submitted.send()).await.unwrap();
    world.run(submitted.wait().at_most(100 * HOUR).send()).await.unwrap_err()
}

pub(super) async fn faults() -> Vec<Fault> {
    let offline = world();
    offline.emulator.machine_offline(offline.machine().as_str());
    let late = world();
    let two = World::with(|emulator| emulator.ids(1).pending_for(HOUR));
    let cancelled = world();
    let other = Canned::new(|_| {
        response(
            201,
            JSON,
            r#"{"id":"a1","type":"Isolate","status":"Succeeded","machineId":"another","requestorComment":"x"}"#,
        )
    });
    vec![
        ("response that was lost on the way", lost(Wrong::ResetBeforeEffect, false).await),
        ("response that nobody can look for", lost(Wrong::ResetAfterEffect, true).await),
        ("gateway timeout of an action", lost(Wrong::StatusAfterEffect(504, RetryAfter::Absent), true).await),
        ("response that cannot be read", Canned::responding(200, JSON, r#"{"status":"Pending"}"#).reading().await),
        ("accepted action whose response cannot be read", {
            let canned = Canned::new(|request| match request.method().as_str() {
                "POST" => response(201, JSON, r#"{"id":"","status":"Pending"}"#),
                _ => response(200, JSON, r#"{"value":[]}"#),
            });
            canned.isolating().await
        }),
        ("response about another machine", other.isolating().await),
        ("lost response of a raw POST", {
            let world = world();
            world.emulator.fault(Wrong::ResetBeforeEffect).on(Operation::Isolate);
            let path = format!("/api/machines/{}/isolate", world.machine());
            let call = world.client().post::<serde_json::Value>(path, &serde_json::json!({"Comment": "Ransomware"}));
            world.run(call.send()).await.unwrap_err()
        }),
        ("action that failed", ended(Outcome::Failed { error_hresult: -2_147_024_891 }).await),
        ("action that timed out", ended(Outcome::TimedOut).await),
        ("action that was cancelled", ended(Outcome::Cancelled).await),
        ("wait that is too short", {
            let submitted = offline.client().machine(offline.machine()).isolate("Ransomware");
            let submitted = offline.run(submitted.send()).await.unwrap();
            offline.run(submitted.wait().at_most(HOUR).send()).await.unwrap_err()
        }),
        ("wait while the service is in trouble", {
            let world = World::with(|emulator| emulator.ids(1).pending_for(HOUR));
            let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
            world.emulator.fault(Wrong::Status(503, RetryAfter::Absent)).on(Operation::GetAction);
            world.run(submitted.wait().at_most(HOUR).send()).await.unwrap_err()
        }),
        ("intent that has expired", {
            let call = late.client().machine(late.machine()).isolate("Ransomware").valid_for(Duration::from_secs(60));
            call.intent().unwrap();
            late.run_for(HOUR, std::future::pending::<()>()).await;
            late.run(call.send()).await.unwrap_err()
        }),
        ("cancelling what is not ours", {
            let machine = two.client().machine(two.machine());
            two.run(machine.isolate("Ransomware").send()).await.unwrap();
            let joined = two.run(machine.isolate("Ransomware").send()).await.unwrap();
            two.run(joined.cancel("False positive").send()).await.unwrap_err()
        }),
        ("cancelling what has ended", {
            let machine = cancelled.client().machine(cancelled.machine());
            let submitted = cancelled.run(machine.isolate("Ransomware").send()).await.unwrap();
            cancelled.run(submitted.wait().send()).await.unwrap();
            cancelled.run(submitted.cancel("False positive").send()).await.unwrap_err()
        }),
    ]
}
