//! Traps about waiting for the end of an action.

use std::time::Duration;

use defender_actions::{
    ErrorKind,
    model::{ActionStatus, CommandStatus, LiveResponseCommand},
    transport::Clock,
};
use defender_emulator::{Fault, Operation, Outcome};
use futures_util::StreamExt;

use super::Saying;
use crate::world::{HOUR, MINUTE, World};

#[tokio::test]
async fn trap_01_time_out_is_terminal() {
    assert!(ActionStatus::TimeOut.is_terminal());
    let world = World::new();
    world.emulator.machine_offline(world.machine().as_str());
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    let wait = submitted.wait().poll(HOUR, HOUR).at_most(HOUR * 24 * 30);
    let error = world.run(wait.send()).await.unwrap_err();
    assert_eq!((error.kind(), &error.action().unwrap().status), (ErrorKind::ActionFailed, &ActionStatus::TimeOut));
    // The wait ends when the service gives up, after three days, and not at its own limit.
    assert!((72..75).contains(&(world.clock.elapsed().as_secs() / 3_600)));
}

#[tokio::test]
async fn trap_02_wait_timeout_has_action() {
    let world = World::with(|emulator| emulator.pending_for(HOUR * 2));
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    let error = world.run(submitted.wait().send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert_eq!((error.action_id(), &error.action().unwrap().status), (Some(submitted.id()), &ActionStatus::Pending));
}

#[tokio::test]
async fn trap_03_failed_action_is_error() {
    for (outcome, result) in
        [(Outcome::Failed { error_hresult: -2_147_024_891 }, -2_147_024_891), (Outcome::Cancelled, -2_147_467_260)]
    {
        let world = World::new();
        world.emulator.outcome(outcome);
        let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
        let error = world.run(submitted.wait().send()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ActionFailed);
        assert_eq!(error.action().unwrap().error_h_result, Some(result));
        assert!(error.to_string().contains(&format!("0x{:08X}", result.cast_unsigned())), "{error}");
    }
}

#[tokio::test]
async fn trap_13_unknown_values_are_kept() {
    let body = r#"{"id":"a","status":"Paused","type":"EvictIdentity","novel":{"x":1}}"#;
    let (client, clock) = Saying::new(200, body).client();
    let action = client.action("a".parse().unwrap());
    let record = clock.run(action.get().send()).await.unwrap();
    assert_eq!((record.status.as_str(), record.action_type.as_str()), ("Paused", "EvictIdentity"));
    assert_eq!(record.extra["novel"]["x"], 1);
    let error = clock.run(action.wait().at_most(MINUTE).send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
}

#[tokio::test]
async fn trap_14_wait_survives_failed_polls() {
    let world = World::with(|emulator| emulator.pending_for(MINUTE));
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    for fault in
        [Fault::RefuseConnection, Fault::ResetBeforeEffect, Fault::Html502, Fault::TruncatedBody, Fault::GarbageJson]
    {
        world.emulator.fault(fault).on(Operation::GetAction).times(6);
    }
    assert_eq!(world.run(submitted.wait().send()).await.unwrap().status, ActionStatus::Succeeded);

    world.emulator.fault(Fault::RefuseConnection);
    let lost = world.client().action(submitted.id().clone());
    for error in [
        world.run(lost.get().send()).await.unwrap_err(),
        world.run(lost.wait().at_most(MINUTE).send()).await.unwrap_err(),
        world.run(lost.cancel("c").send()).await.unwrap_err(),
    ] {
        assert_eq!(error.action_id(), Some(submitted.id()));
        assert!(error.to_string().contains(submitted.id().as_str()), "{error}");
    }
}

#[tokio::test]
async fn trap_15_wait_survives_early_404() {
    let lagging = |seconds| World::with(|emulator| emulator.read_lag(Duration::from_secs(seconds)));
    let world = lagging(110);
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    assert!(world.run(submitted.wait().send()).await.is_ok());
    let world = lagging(3_600);
    let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
    let error = world.run(submitted.wait().send()).await.unwrap_err();
    assert!(error.is_not_found() && error.action_id() == Some(submitted.id()));
}

#[tokio::test]
async fn trap_23_wait_all_reads_lists() {
    let world = World::with(|emulator| emulator.machines(50).pending_for(MINUTE));
    let client = world.client();
    let mut ids = Vec::new();
    for machine in world.machines() {
        ids.push(world.run(client.machine(machine).isolate("c").send()).await.unwrap().id().clone());
    }
    let single = world.emulator.fault(Fault::NotFound).on(Operation::GetAction);
    let ended: Vec<_> = world.run(client.wait_all(ids).stream().collect()).await;
    assert!(ended.len() == 50 && ended.iter().all(|(_, end)| end.is_ok()), "no record is read singly");
    single.stop();
}

#[tokio::test]
async fn trap_27_cancelled_session_shows_commands() {
    let session = |world: &World| {
        let commands = [LiveResponseCommand::run_script("a.ps1")];
        world.client().machine(world.machine()).run_live_response("c", commands).send()
    };
    let world = World::with(|emulator| emulator.library_file("a.ps1", "exit 0"));
    world.emulator.outcome(Outcome::Cancelled);
    let submitted = world.run(session(&world)).await.unwrap();
    let done = world.run(submitted.wait().send()).await.unwrap_err();
    assert_eq!(done.commands()[0].command_status, CommandStatus::Completed);
    assert!(
        done.to_string().contains("ended as Cancelled") && done.to_string().contains("RunScript Completed"),
        "{done}"
    );

    let world = World::with(|emulator| emulator.pending_for(HOUR));
    let submitted = world.run(session(&world)).await.unwrap();
    world.run(submitted.cancel("c").send()).await.unwrap();
    let undone = world.run(submitted.wait().send()).await.unwrap_err();
    assert_ne!(undone.commands()[0].command_status, CommandStatus::Completed);
    assert!(undone.to_string().contains("RunScript Created"), "{undone}");
}
