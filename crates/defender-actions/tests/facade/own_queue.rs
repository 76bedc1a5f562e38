//! Calls that time out in the client's own queue: nothing was sent, and the error states it.

use std::time::Duration;

use defender_actions::{DefenderClient, Error, ErrorKind, model::ScanType, transport::Clock};
use defender_emulator::{Fault, Operation, RetryAfter};
use futures_util::future::join_all;
use serde_json::Value;

use crate::world::{HOUR, MINUTE, World};

/// Submits a scan of every machine at once. Returns the errors.
async fn scanning(world: &World, client: &DefenderClient, timeout: Option<Duration>) -> Vec<Error> {
    let submissions = world.machines().into_iter().map(|machine| {
        let scan = client.machine(machine).run_antivirus_scan("Monthly scan", ScanType::Quick);
        timeout.into_iter().fold(scan, defender_actions::ActionRequest::timeout).send()
    });
    world.run(join_all(submissions)).await.into_iter().filter_map(Result::err).collect()
}

/// Asserts that the error reports a wait in the client's own queue.
fn is_own_queue(error: &Error, quota: &str) {
    let text = error.to_string();
    assert_eq!((error.kind(), error.never_sent(), error.is_retryable()), (ErrorKind::Throttled, true, true), "{text}");
    for part in ["nothing was sent", "this client's own queue", quota, "raise `.timeout(..)`, or call again after"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for part in ["too many requests", "the service", "call again later"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
    assert!(error.retry_after().is_some());
}

#[tokio::test]
async fn thousand_actions_take_ten_minutes() {
    let world = World::with(|emulator| emulator.machines(1_000));
    let errors = scanning(&world, &world.client(), Some(HOUR)).await;
    assert_eq!((errors.len(), world.ledger().len()), (0, 1_000));
    assert!((MINUTE * 9..MINUTE * 11).contains(&world.clock.elapsed()));
    assert!(world.ledger().entries().iter().all(|entry| entry.status == 201));
}

#[tokio::test]
async fn queue_timeout_gives_advice() {
    let world = World::with(|emulator| emulator.machines(600));
    let errors = scanning(&world, &world.client(), None).await;
    assert_eq!((errors.len(), world.ledger().len()), (100, 500));
    for error in &errors {
        is_own_queue(error, "(100 calls a minute, 1500 calls an hour)");
        assert!(error.to_string().contains("within its timeout of 300s"), "{error}");
    }
}

#[tokio::test]
async fn error_names_the_exhausted_quota() {
    let world = World::new();
    let client = world.client();
    let action = client.action("a".parse().unwrap());
    let short = Duration::from_secs(5);
    // All calls but the last are sent immediately; their outcomes do not matter.
    let read = || client.get::<Value>("/api/machineactions/$count").timeout(short);
    for _ in 0..100 {
        world.run(read().send()).await.unwrap();
    }
    is_own_queue(&world.run(read().send()).await.unwrap_err(), "(100 calls a minute, 1500 calls an hour)");
    let link = || action.package().link().timeout(short);
    for _ in 0..2 {
        world.run(link().send()).await.unwrap_err();
    }
    is_own_queue(&world.run(link().send()).await.unwrap_err(), "(2 calls a minute, 120 calls an hour)");
}

#[tokio::test]
async fn zero_timeout_is_never_sent() {
    let world = World::new();
    let client = world.client();
    let read = || client.get::<Value>("/api/machineactions/$count");
    world.run(read().send()).await.unwrap();
    is_own_queue(&world.run(read().timeout(Duration::ZERO).send()).await.unwrap_err(), "within its timeout of 0ns");
}

#[tokio::test]
async fn queue_timeout_after_refusal_is_named() {
    let world = World::new();
    // The response states no time, so the queue pauses for a minute.
    world.emulator.fault(Fault::Status(429, RetryAfter::Absent)).on(Operation::Isolate).times(1);
    let isolate = world.client().machine(world.machine()).isolate("c").timeout(MINUTE / 2);
    let error = world.run(isolate.send()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), world.ledger().len()), (ErrorKind::Throttled, 2, 1));
    assert!(error.never_sent() && error.to_string().contains("nothing was processed: the call's turn in"), "{error}");
}
