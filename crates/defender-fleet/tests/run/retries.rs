//! Rows whose outcome is unknown, and what is looked for before anything is sent again.

use std::{sync::Arc, time::Duration};

use defender_actions::MemoryJournal;
use defender_emulator::{ErrorCode, ExternalIds, Fault, Operation, Outcome, RetryAfter};
use defender_fleet::{ErrorKind, ReportState, RetryRows, RowOrigin, Stores};
use defender_store::MemoryRunStore;
use defender_transport::MemoryQuotaStore;
use futures_util::StreamExt;

use crate::world::{World, counts};

const RELEASE: Operation = Operation::UnrestrictCodeExecution;
const AWAY: Fault = Fault::Status(503, RetryAfter::Absent);

/// World whose actions are not visible for some minutes.
fn lagging() -> World {
    World::with(3, |emulator| emulator.read_lag(Duration::from_secs(400)))
}

fn created(world: &World) -> usize {
    world.posts().into_values().map(|(_, created)| created).sum()
}

#[tokio::test]
async fn unreadable_list_keeps_a_retry() {
    let world = lagging();
    world.emulator.fault(Fault::ResetAfterEffect).on(RELEASE).times(1);
    let run = world.start(&world.release().first(1)).await;
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!(counts(&report), (0, 0, 1, 0), "the lists lag: {report}");
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(run.retry(RetryRows::Unknown).await.unwrap(), 1);
    let away = world.emulator.fault(AWAY).on(Operation::ListActions).times(2_000);
    let error = world.run(run.finish()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Service);
    assert_eq!(counts(&run.report().await.unwrap()), (0, 0, 0, 1));
    away.stop();
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!((counts(&report), report.rows[0].origin), ((1, 0, 0, 0), Some(RowOrigin::Recovered)));
    assert_eq!(created(&world), 1);
}

/// The action of the first attempt refuses the second one, and becomes visible before the third.
#[tokio::test]
async fn retry_looks_at_each_attempt() {
    let world = lagging();
    world.emulator.fault(Fault::ResetAfterEffect).on(RELEASE).times(1);
    let run = world.start(&world.release().first(1)).await;
    assert_eq!(counts(&world.run(run.finish()).await.unwrap()), (0, 0, 1, 0));
    world.emulator.fault(Fault::Code(ErrorCode::DisallowedOperation)).on(RELEASE).times(1);
    assert_eq!(run.retry(RetryRows::Unknown).await.unwrap(), 1);
    assert_eq!(counts(&world.run(run.finish()).await.unwrap()), (0, 1, 0, 0));
    world.clock.advance(Duration::from_secs(600));
    for (rows, number) in [(RetryRows::Failed, 0), (RetryRows::Unknown, 1)] {
        assert_eq!(run.retryable(rows).await.unwrap().len(), number, "{rows:?}");
    }
    let report = run.report().await.unwrap();
    assert!(report.rows[0].has_unknown_outcome(), "{report}");
    assert_eq!(run.retry(RetryRows::Failed).await.unwrap(), 0, "the first attempt is unknown");
    assert_eq!(run.retry(RetryRows::Unknown).await.unwrap(), 1);
    let report = world.run(run.finish()).await.unwrap();
    let row = &report.rows[0];
    assert_eq!((row.state, row.origin, row.attempts), (ReportState::Succeeded, Some(RowOrigin::Recovered), 3));
    assert!(!row.has_unknown_outcome(), "the last attempt has the key of the first one: {row:?}");
    assert_eq!(created(&world), 1);
}

/// Other rows fail between a person's look and the retry.
#[tokio::test]
async fn retry_is_of_the_confirmed_machines() {
    let world = World::new(3);
    let fail = |machine: &str| {
        world.emulator.outcome(Outcome::Failed { error_hresult: -1 }).on_machine(machine).times(1);
    };
    let machines = world.emulator.machine_ids();
    machines.iter().take(2).for_each(|machine| fail(machine));
    world.emulator.machine_offline(machines[1]);
    let run = world.start(&world.release()).await;
    let confirmed = {
        let mut events = run.events();
        let look = async {
            while run.summary().await.unwrap().counts.failed == 0 {
                events.next().await.unwrap().unwrap();
            }
            run.retryable(RetryRows::Failed).await.unwrap()
        };
        let confirmed = world.run(look).await;
        assert_eq!(confirmed, [machines[0].parse().unwrap()]);
        world.emulator.machine_online(machines[1]);
        let end = async { while events.next().await.is_some() {} };
        world.run(end).await;
        confirmed
    };
    assert_eq!(run.summary().await.unwrap().counts.failed, 2);
    assert_eq!(run.retry_only(RetryRows::Unknown, &confirmed).await.unwrap(), 0, "the row failed");
    assert_eq!(run.retry_only(RetryRows::Failed, &confirmed).await.unwrap(), 1);
    assert_eq!(counts(&world.run(run.finish()).await.unwrap()), (2, 1, 0, 0));
    assert_eq!(run.retry_only(RetryRows::Failed, &confirmed).await.unwrap(), 0, "it succeeded meanwhile");
}

/// A record that may be the row's is not certainly another's, so that nothing is sent.
#[tokio::test]
async fn possible_action_ends_a_retry() {
    let world =
        World::with(3, |emulator| emulator.read_lag(Duration::from_secs(400)).external_ids(ExternalIds::Absent));
    let client = world.fleet().client("contoso").unwrap();
    world.emulator.fault(Fault::ResetAfterEffect).on(RELEASE).times(1);
    let run = world.start(&world.release().first(1)).await;
    assert_eq!(counts(&world.run(run.finish()).await.unwrap()), (0, 0, 1, 0));
    // Somebody else does the same, with the same comment.
    let machine = client.machine(world.emulator.machine_ids()[0].parse().unwrap());
    let theirs = machine.unrestrict_code_execution("INC-4711: cleaned").send();
    let _accepted_or_not = world.run(theirs).await;
    world.clock.advance(Duration::from_secs(600));
    let before = world.entries().len();
    run.retry(RetryRows::Unknown).await.unwrap();
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!(world.entries().len(), before, "{report}");
    assert_eq!(report.counts.planned, 0, "{report}");
}

#[tokio::test]
async fn unreadable_recovery_keeps_the_row() {
    let world = World::new(3);
    world.emulator.fault(Fault::ResetAfterEffect).on(RELEASE).times(3);
    let away = world.emulator.fault(AWAY).on(Operation::ListActions);
    let run = world.start(&world.release()).await;
    for _ in 0..2 {
        let error = world.run(run.finish()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Service);
        let report = run.report().await.unwrap();
        assert_eq!((report.counts.unknown, report.counts.failed), (0, 0), "{report}");
    }
    away.stop();
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!(counts(&report), (3, 0, 0, 0), "{report}");
    world.each_machine_has_one_action();
}

/// The runs were restored from a backup, and the journal has the intents of the attempts.
#[tokio::test]
async fn earlier_request_is_looked_for() {
    let world = World::new(3);
    let journal = Arc::new(MemoryJournal::new(world.clock.clone()));
    let with_empty_runs = || {
        let (clock, journal) = (world.clock.clone(), Arc::clone(&journal));
        let (quota, runs) = (MemoryQuotaStore::new(clock.clone()), MemoryRunStore::new(clock));
        world.with_stores(Stores::new(journal, Arc::new(quota), Arc::new(runs)))
    };
    let (world, restored) = (with_empty_runs(), with_empty_runs());
    world.emulator.fault(Fault::ResetAfterEffect).on(RELEASE).times(3);
    let away = world.emulator.fault(AWAY).on(Operation::ListActions);
    let plan = world.release().approved();
    let run = world.fleet().start(&plan).await.unwrap();
    world.run(run.finish()).await.unwrap_err();
    away.stop();
    let again = restored.fleet().start(&plan).await.unwrap();
    assert_eq!(again.id(), run.id());
    let report = world.run(again.finish()).await.unwrap();
    assert_eq!(counts(&report), (3, 0, 0, 0), "{report}");
    world.each_machine_has_one_action();
}
