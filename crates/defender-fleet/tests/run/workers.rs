//! Workers whose leases end, and the rows of workers that are gone.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use defender_actions::{
    MemoryJournal,
    transport::{Clock, testing::ManualClock},
};
use defender_emulator::{ErrorCode, Fault, Operation};
use defender_fleet::{ErrorKind, RunEvent, RunEventKind as Kind, Stores};
use defender_store::{MemoryRunStore, RowState, RunStore, WorkerId, WorkerLease};
use defender_transport::MemoryQuotaStore;
use futures_util::{
    StreamExt,
    future::{Either, join, select},
};

use crate::world::{World, counts, number};

const RELEASE: Operation = Operation::UnrestrictCodeExecution;

/// World whose runs have a clock of their own.
fn world_with_runs(machines: u32) -> (World, MemoryRunStore, ManualClock) {
    let world = World::new(machines);
    let (clock, of_runs) = (world.clock.clone(), ManualClock::new());
    let runs = MemoryRunStore::new(of_runs.clone());
    let journal = MemoryJournal::new(clock.clone());
    let stores = Stores::new(Arc::new(journal), Arc::new(MemoryQuotaStore::new(clock)), Arc::new(runs.clone()));
    (world.with_stores(stores), runs, of_runs)
}

/// The laptop of a worker was suspended: the store's clock went on, and its own did not.
#[tokio::test]
async fn worker_claims_no_row_twice() {
    let (world, _, clock) = world_with_runs(12);
    world.emulator.fault(Fault::HangAfterEffect).on(RELEASE).times(2);
    let run = world.start(&world.release()).await;
    let suspended = async {
        world.clock.sleep(Duration::from_secs(2)).await;
        clock.advance(Duration::from_secs(100));
    };
    let (events, ()) = world.run(join(run.events().map(Result::unwrap).collect::<Vec<_>>(), suspended)).await;
    let submitted = submitted(&events);
    assert!(submitted.len() == 12 && submitted.values().all(|times| *times == 1), "{submitted:?}");
    assert_eq!(number(&events, |kind| matches!(kind, Kind::Succeeded { .. })), 12);
    world.each_machine_has_one_action();
}

/// The rows of a worker that died are waited for while the quota of the hour is used up.
#[tokio::test]
async fn left_rows_are_taken_over() {
    let (world, runs, clock) = world_with_runs(1_600);
    let run = world.start(&world.release()).await;
    let mut events = run.events();
    let used_up = |event: &RunEvent| matches!(event.kind, Kind::WaitingForQuota { .. });
    // A wait for the quota of the hour.
    while world.entries().len() < 1_500 || !used_up(&world.run(events.next()).await.unwrap().unwrap()) {
        if world.entries().len() < 1_500 {
            world.run(events.next()).await.unwrap().unwrap();
        }
    }
    let dead = WorkerLease { worker: WorkerId::generate(), lease: Duration::from_secs(30) };
    let left = runs.claim_rows(run.id(), dead, 1).await.unwrap();
    assert_eq!(left[0].state, RowState::Planned);
    runs.depart_row(run.id(), left[0].index, dead.worker, 1).await.unwrap();
    clock.advance(Duration::from_secs(40));
    let soon = world.clock.sleep(Duration::from_secs(60));
    let rest = async { while events.next().await.is_some() {} };
    assert!(matches!(world.run(select(Box::pin(rest), soon)).await, Either::Right(_)));
    assert!(matches!(
        runs.depart_row(run.id(), left[0].index, dead.worker, 1).await.unwrap(),
        defender_store::Departure::NotHeld
    ));
}

/// Number of events of each row that say that the service has accepted its action.
fn submitted<'e>(events: impl IntoIterator<Item = &'e RunEvent>) -> BTreeMap<u32, usize> {
    let mut submitted = BTreeMap::new();
    for event in events {
        if let Kind::Submitted { row, .. } = &event.kind {
            *submitted.entry(row.index).or_default() += 1;
        }
    }
    submitted
}

/// Another worker of the same process claims rows whose requests wait for their permits.
#[tokio::test]
async fn late_worker_loses_its_claim() {
    let (world, _, clock) = world_with_runs(250);
    let run = world.start(&world.release()).await;
    let (mut late, mut events) = (run.events(), Vec::new());
    while world.entries().len() < 100 {
        events.push(world.run(late.next()).await.unwrap().unwrap());
    }
    for _ in 0..8 {
        events.push(world.run(late.next()).await.unwrap().unwrap());
    }
    clock.advance(Duration::from_secs(100));
    let other = run.events().map(Result::unwrap).collect::<Vec<_>>();
    let (other, rest) = world.run(join(other, late.map(Result::unwrap).collect::<Vec<_>>())).await;
    let report = run.report().await.unwrap();
    assert_eq!((counts(&report), world.entries().len()), ((250, 0, 0, 0), 250), "{report}");
    let submitted = submitted(events.iter().chain(&other).chain(&rest));
    assert!(submitted.values().all(|times| *times == 1), "{submitted:?}");
    world.each_machine_has_one_action();
}

/// The run is halted by this process and resumed by another, while a worker of this process works on.
#[tokio::test]
async fn run_resumed_elsewhere_goes_on() {
    let world = World::new(150);
    let run = world.start(&world.release()).await;
    let mut events = run.events();
    while world.entries().len() < 50 {
        world.run(events.next()).await.unwrap().unwrap();
    }
    world.run(run.halt("stop")).await.unwrap();
    let elsewhere = world.fleet().resume(run.id()).await.unwrap();
    let rest: Vec<_> = world.run(events.map(Result::unwrap).collect::<Vec<_>>()).await;
    assert!(number(&rest, |kind| matches!(kind, Kind::Sent { .. })) > 50, "the worker goes on");
    assert_eq!(counts(&elsewhere.report().await.unwrap()), (150, 0, 0, 0));
    world.each_machine_has_one_action();
}

/// One list is refused while all rows are waited for: no row becomes unknown.
#[tokio::test]
async fn refused_list_stops_the_worker() {
    let world = World::with(3, |emulator| emulator.pending_for(Duration::from_secs(60)));
    let run = world.start(&world.release()).await;
    for fault in [Fault::Code(ErrorCode::DisabledFeature), Fault::NotFound] {
        let refused = world.emulator.fault(fault).on(Operation::ListActions);
        let error = world.run(run.finish()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Service, "{fault:?}: {error}");
        refused.stop();
        let counts = run.report().await.unwrap().counts;
        assert_eq!((counts.unknown, counts.submitted), (0, 3), "{fault:?}");
    }
    assert_eq!(counts(&world.run(run.finish()).await.unwrap()), (3, 0, 0, 0));
}

/// The record of one action is refused, which no list shows: its row ends, and the run with it.
#[tokio::test]
async fn refused_record_ends_its_row() {
    let world = World::with(3, |emulator| emulator.read_lag(Duration::from_secs(100)));
    let run = world.start(&world.release()).await;
    let id = world.emulator.machine_ids()[0].to_owned();
    world.emulator.fault(Fault::Code(ErrorCode::DisabledFeature)).on(Operation::GetAction).on_machine(id);
    let report = world.run(run.finish()).await.unwrap();
    assert_eq!(counts(&report), (2, 0, 1, 0), "{report}");
    assert_eq!(report.rows[0].error.as_ref().unwrap().kind, "forbidden");
}
