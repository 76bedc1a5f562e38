//! Traps about sending and cancelling actions.

use defender_actions::{ErrorKind, Origin, model::ActionStatus, transport::Clock};
use defender_emulator::{Duplicates, Fault, Operation, RetryAfter};
use futures_util::future::join_all;

use crate::world::{HOUR, World};

#[tokio::test]
async fn trap_04_await_sends_once() {
    let world = World::new();
    let perform = world.client().machine(world.machine()).isolate("c");
    assert_eq!(world.ledger().len(), 0);
    let submitted = world.run(perform.send()).await.unwrap();
    // Reading the result sends nothing.
    let _ = (submitted.id(), submitted.action(), submitted.origin(), submitted.clone());
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn trap_05_post_is_not_resent() {
    for fault in [
        Fault::Status(503, RetryAfter::Absent),
        Fault::StatusAfterEffect(504, RetryAfter::Absent),
        Fault::HangAfterEffect,
    ] {
        let world = World::with(|emulator| emulator.duplicates(Duplicates::Accept));
        world.emulator.fault(fault).on(Operation::Isolate);
        let _ = world.run(world.client().machine(world.machine()).isolate("c").send()).await;
        assert_eq!(world.ledger().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn trap_25_cancel_affects_named_action() {
    let world = World::with(|emulator| emulator.pending_for(HOUR));
    let client = world.client();
    let mut submitted = Vec::new();
    for machine in world.machines() {
        submitted.push(world.run(client.machine(machine).isolate("c").send()).await.unwrap());
    }
    world.run(submitted[1].cancel("This one").send()).await.unwrap();
    let mut statuses = Vec::new();
    for submitted in &submitted {
        statuses.push(world.run(client.action(submitted.id().clone()).get().send()).await.unwrap().status);
    }
    assert_eq!(statuses, [ActionStatus::Pending, ActionStatus::Cancelled, ActionStatus::Pending]);
    // A joined action may belong to another caller.
    let joined = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap();
    let error = world.run(joined.cancel("Not ours").send()).await.unwrap_err();
    assert_eq!((joined.origin(), error.kind()), (Origin::Joined, ErrorKind::Request));
    assert!(world.run(joined.cancel("Meant").even_if_not_ours().send()).await.is_ok());
}

#[tokio::test]
async fn trap_26_comment_is_sent_unchanged() {
    let world = World::new();
    let comment = "  Ticket \"4711\"\n\u{1F512} done ";
    world.run(world.client().machine(world.machine()).isolate(comment).send()).await.unwrap();
    let sent: serde_json::Value = serde_json::from_str(&world.ledger().entries()[0].body).unwrap();
    assert_eq!(sent["Comment"], comment);
}

#[tokio::test]
async fn trap_30_clones_share_one_quota() {
    let world = World::with(|emulator| emulator.machines(150));
    let client = world.client();
    let submissions = world.machines().into_iter().map(|machine| client.clone().machine(machine).isolate("c").send());
    let all = world.run(join_all(submissions.collect::<Vec<_>>())).await;
    assert!(all.iter().all(|one| one.as_ref().is_ok_and(|submitted| submitted.origin() == Origin::Created)));
    // A hundred are sent at once and the rest a minute later; the service refuses none.
    assert!(world.ledger().entries().iter().all(|entry| entry.status == 201));
    assert!((60..70).contains(&world.clock.elapsed().as_secs()));
}
