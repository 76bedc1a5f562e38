//! The kit for tests of users, and the test of the README.

use std::{slice, time::Duration};

use defender_actions::{
    ErrorKind, Origin, SuitabilityIssue, UnknownReason,
    model::Isolate,
    testing::{self, AutoClock, Capture, ManualClock, MockTransport, Never},
    transport::{Body, Clock, SystemClock},
};

// The test of the README, as it stands there.
use defender_actions::{
    DefenderClient, Error,
    model::{ActionStatus, MachineId},
};

const TEN_MINUTES: Duration = Duration::from_secs(600);

/// Your code.
async fn release(defender: &DefenderClient, machine: MachineId) -> Result<ActionStatus, Error> {
    let submitted = defender.machine(machine).unisolate("False positive").await?;
    Ok(submitted.wait().await?.status)
}

#[cfg(test)]
#[tokio::test]
async fn machine_is_released() {
    use defender_actions::testing::{self, Capture};
    let action = testing::action("Unisolate", "False positive");
    let done = testing::ended(&action, ActionStatus::Succeeded);
    let service = Capture::in_turn([testing::created(&action), testing::ok(&done)]);

    let status = release(&testing::client(service.clone()), "m1".parse().unwrap()).await.unwrap();
    assert_eq!(status, ActionStatus::Succeeded);
    assert_eq!(service.requests()[0].uri().path(), "/api/machines/m1/unisolate");
}

/// The lines from the first `use` of the README's test to its end.
#[test]
fn readme_has_this_test() {
    let readme = include_str!("../../README.md");
    let (_, block) = readme.split_once("no real time:\n\n```rust\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    // rustfmt breaks the import, which the README has in one line.
    let (imports, code) = block.split_once("\n\n").unwrap();
    assert!(imports.starts_with("use defender_actions::{DefenderClient, Error, model::{ActionStatus, MachineId}};"));
    assert!(include_str!("kit.rs").contains(code), "{code}");
}

#[tokio::test]
async fn new_action_with_same_comment_is_created() {
    let action = testing::action("Isolate", "Ransomware");
    let service = Capture::in_turn([testing::created(&action), testing::ok(&action)]);
    let defender = testing::client(service);
    let machine = defender.machine("m1".parse().unwrap());
    assert_eq!(machine.isolate("Ransomware").await.unwrap().origin(), Origin::Created);

    let defender = testing::client(Capture::answering(testing::created(&action)));
    let machine = defender.machine("m1".parse().unwrap());
    assert_eq!(machine.isolate("Another incident").await.unwrap().origin(), Origin::Joined);
}

#[tokio::test]
async fn days_of_waiting_take_no_time() {
    let real = SystemClock::new();
    let pending = testing::action("Unisolate", "False positive");
    let clock = AutoClock::new();
    let service = testing::builder(Capture::answering(testing::created(&pending))).clock(clock.clone());
    let submitted = service.build().unwrap().machine("m1".parse().unwrap()).unisolate("False positive").await.unwrap();
    let three_days = Duration::from_secs(3 * 24 * 3_600);
    let error = submitted.wait().poll(TEN_MINUTES, TEN_MINUTES).at_most(three_days).await.unwrap_err();
    assert_eq!((error.kind(), clock.elapsed()), (ErrorKind::WaitTimeout, three_days));

    // Retries, the queue of the quota and a silent service.
    let busy = testing::client(Capture::answering(testing::problem(503, "ServiceUnavailable")));
    assert_eq!(busy.action("a1".parse().unwrap()).get().await.unwrap_err().attempts(), 5);
    let fine = testing::client(Capture::answering(testing::ok(&pending)));
    for _ in 0..250 {
        fine.action(pending.id.clone()).get().await.unwrap();
    }
    let error = testing::client(Never).action("a1".parse().unwrap()).get().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(real.elapsed() < Duration::from_secs(60), "{:?}", real.elapsed());
}

#[tokio::test]
async fn spawned_calls_share_virtual_time() {
    let pending = testing::action("Isolate", "c");
    let defender = testing::client(Capture::answering(testing::created(&pending)));
    let mut waits = tokio::task::JoinSet::new();
    for hours in [1, 2, 3] {
        let wait = defender.action(pending.id.clone()).wait().at_most(Duration::from_secs(hours * 3_600));
        waits.spawn(wait.into_future());
    }
    for end in waits.join_all().await {
        assert_eq!(end.unwrap_err().kind(), ErrorKind::WaitTimeout);
    }
}

#[tokio::test]
async fn refusal_has_status_and_code() {
    let defender = testing::client(Capture::answering(testing::problem(403, "DisallowedOperation")));
    let error = defender.machine("m1".parse().unwrap()).isolate("c").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Forbidden, Some(403)));
    assert_eq!(error.code().unwrap().as_str(), "DisallowedOperation");
    let own = testing::error(ErrorKind::Forbidden).problem(403, "DisallowedOperation").build();
    assert_eq!(own.problem(), error.problem());
}

#[tokio::test]
async fn error_has_every_part_that_is_set() {
    let (action, machine) = (testing::action("Isolate", "c"), testing::machine("ws-1"));
    let defender = testing::client(MockTransport::new());
    let intent = defender.machine(machine.id.clone()).isolate("c").intent().unwrap();
    let error = testing::error(ErrorKind::OutcomeUnknown)
        .context("isolate ws-1")
        .unknown(UnknownReason::MayBeOurs, intent.clone(), [action.clone()])
        .action(action.clone())
        .machines([machine.clone()])
        .retry_after(Duration::from_secs(7))
        .never_sent()
        .caused_by("the cable is out")
        .build();
    assert!(error.is_outcome_unknown() && error.never_sent());
    assert_eq!((error.intent(), error.reason()), (Some(&intent), Some(UnknownReason::MayBeOurs)));
    assert_eq!((error.candidates(), error.action_id()), (&[action.clone()][..], Some(&action.id)));
    assert_eq!((error.machines(), error.retry_after()), (&[machine][..], Some(Duration::from_secs(7))));
    assert!(error.to_string().starts_with("isolate ws-1: outcome unknown: the cable is out"), "{error}");
    let plain: Error = testing::error(ErrorKind::Unavailable).into();
    assert!(plain.is_retryable() && !plain.never_sent());
}

#[tokio::test]
async fn made_submission_is_awaited() {
    let action = testing::action("Isolate", "c");
    let done = testing::ended(&action, ActionStatus::TimeOut);
    let defender = testing::client(Capture::answering(testing::ok(&done)));
    let submitted = testing::submitted(&defender, action.clone(), Origin::Recovered);
    assert_eq!((submitted.id(), submitted.origin()), (&action.id, Origin::Recovered));
    assert_eq!(submitted.wait().await.unwrap_err().kind(), ErrorKind::ActionFailed);
    // The record of another action is no end of this one.
    let mut other = testing::ended(&testing::action("Unisolate", "c"), ActionStatus::Succeeded);
    other.id = action.id.clone();
    let defender = testing::client(Capture::answering(testing::ok(&other)));
    let error = testing::submitted(&defender, action, Origin::Created).wait().await.unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::OtherRecord));
}

#[tokio::test]
async fn machine_of_the_kit_is_suitable() {
    let machine = testing::machine("ws-eng-04.contoso.com");
    let service = Capture::in_turn([testing::list(slice::from_ref(&machine)), testing::ok(&machine)]);
    let defender = testing::client(service.clone());
    let found = defender.machines().find("WS-ENG-04.contoso.com").await.unwrap();
    assert_eq!(found, machine);
    let issues = defender.machine_of(&found).check::<Isolate>().await.unwrap();
    assert!(issues.iter().all(SuitabilityIssue::is_caution), "{issues:?}");
    assert_eq!(service.requests().len(), 2);
}

#[tokio::test]
async fn kit_serves_mocks_and_manual_clocks() {
    let mut transport = MockTransport::new();
    let response = || testing::problem(409, "Conflict").map(Body::from);
    transport.expect_send().times(1).returning(move |_| Ok(response()));
    let clock = ManualClock::new();
    let defender = testing::builder(transport).clock(clock.clone()).build().unwrap();
    let error = clock.run(defender.action("a1".parse().unwrap()).get().send()).await.unwrap_err();
    assert_eq!(error.status(), Some(409));
}
