//! Stores and a journal that respond slowly, or not at all.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use defender_actions::transport::{Clock, testing::ManualClock};
use defender_emulator::{ErrorCode, Fault, Operation, Outcome, RetryAfter};
use defender_fleet::{RetryRows, Run, RunEventKind as Kind};
use defender_store::RowState;
use futures_util::{StreamExt, future::join};

use crate::{
    outcomes::{LEASES, at_once, events, killed, processes},
    timed::{Call, Fails, Op, Script, Shared, Timing},
    world::{World, counts},
};

/// The error of a journal that does not respond is the last item, and the row is worked on later.
#[tokio::test]
async fn hung_journal_ends_its_worker() {
    for hangs in [&[Op::Settle, Op::Intend][..], &[Op::Settle], &[Op::Settle, Op::Intend, Op::Entry]] {
        let hung = |call: Call| match call.op {
            op if hangs.contains(&op) => Timing::before(1 << 30),
            _ => Timing::default(),
        };
        let (world, run, elsewhere, of_runs) = processes(hung, at_once).await;
        let events = world.within(events(&run)).await;
        assert!(events.last().unwrap().is_err(), "{hangs:?}: {events:?}");
        of_runs.advance(Duration::from_secs(100));
        let report = world.within(elsewhere.finish()).await.unwrap();
        assert_eq!((counts(&report), world.entries().len()), ((1, 0, 0, 0), 1), "{hangs:?}: {report}");
    }
}

/// A heartbeat fails after a time longer than its interval, while a request is on its way.
#[tokio::test]
async fn slow_failure_of_a_heartbeat_ends_its_worker() {
    let slow = |call: Call| match call.op {
        Op::Renew => Timing { fails: Some(Fails::WithoutEffect), ..Timing::before(25) },
        _ => Timing::default(),
    };
    let (world, run, ..) = processes(slow, at_once).await;
    let posts = world.on_post(Arc::new(|_| (Duration::from_secs(30), Duration::from_secs(30))));
    let run = posts.fleet().run(run.id()).await.unwrap();
    let events = world.within(events(&run)).await;
    let submitted = events.iter().flatten().any(|event| matches!(event.kind, Kind::Submitted { .. }));
    assert!(submitted && events.last().unwrap().is_err(), "the outcome of the request is not lost: {events:?}");
}

/// The journal takes so long for each outcome that the process keeps that all of them take longer than a lease.
#[tokio::test]
async fn slow_journal_holds_no_lease() {
    let world = World::with(8, |emulator| emulator.running_for(Duration::from_secs(300)));
    let (settled, renewed) = (Mutex::new(HashSet::new()), Arc::new(Mutex::new(vec![0.0])));
    let (times, clock) = (Arc::clone(&renewed), world.clock.clone());
    let slow = move |call: Call| match call.op {
        Op::Settle if settled.lock().unwrap().insert(call.row) => {
            Timing { fails: Some(Fails::WithoutEffect), ..Timing::default() }
        }
        Op::Settle => Timing::before(29),
        Op::Renew => {
            times.lock().unwrap().push(clock.elapsed().as_secs_f64());
            Timing::default()
        }
        _ => Timing::default(),
    };
    let world = world.with_stores(Shared::new(&world.clock, &world.clock).stores(slow));
    let run = world.start(&world.release()).await;
    let report = world.within(run.finish()).await.unwrap();
    assert_eq!(counts(&report), (8, 0, 0, 0), "{report}");
    let renewed = renewed.lock().unwrap();
    assert!(renewed.windows(2).all(|pair| pair[1] - pair[0] < 90.0), "a lease ended: {renewed:?}");
}

/// Each call of the store takes longer than a heartbeat's interval.
#[tokio::test]
async fn slow_store_only_delays_the_rows() {
    let slow = |call: Call| match call.op {
        Op::Run | Op::Claim | Op::Renew => Timing::before(21),
        _ => Timing::default(),
    };
    let (world, run, ..) = processes(slow, at_once).await;
    let report = world.within(run.finish()).await.unwrap();
    assert_eq!(counts(&report), (1, 0, 0, 0), "{report}");
}

/// No request is sent for ten minutes. The outcome of one that was sent before does not wait for them.
#[tokio::test]
async fn slow_store_holds_no_row_in_a_pause() {
    let slow = |call: Call| match call.op {
        Op::Run => Timing::before(12),
        _ => Timing::default(),
    };
    let world = World::new(2);
    let world = world.with_stores(Shared::new(&world.clock, &world.clock).stores(slow));
    let first = world.emulator.machine_ids()[0].to_owned();
    let throttled = Fault::TooManyRequests(RetryAfter::Seconds(600));
    world.emulator.fault(throttled).on(Operation::UnrestrictCodeExecution).on_machine(&*first).times(1);
    let delay = move |path: &str| (Duration::ZERO, Duration::from_secs(if path.contains(&first) { 5 } else { 50 }));
    let run = world.on_post(Arc::new(delay)).start(&world.release().first(2)).await;
    let mut events = run.events();
    let submitted = async {
        while let Some(event) = events.next().await {
            if matches!(event.unwrap().kind, Kind::Submitted { .. }) {
                break;
            }
        }
    };
    world.within(submitted).await;
    assert!(world.clock_seconds() < 100.0, "{}", world.clock_seconds());
}

/// The first call of a method takes this time.
fn first(op: Op, timing: Timing) -> impl Script {
    let calls = AtomicUsize::new(0);
    move |call: Call| {
        let is_first = call.op == op && calls.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first { timing } else { Timing::default() }
    }
}

/// At this second the lease of the only row ends, another process ends the row as failed, and a person retries it.
async fn retried(world: &World, second: u64, elsewhere: &Run, of_runs: &ManualClock) {
    world.at(second).await;
    of_runs.advance(LEASES);
    events(elsewhere).await;
    assert_eq!(elsewhere.retry(RetryRows::Failed).await.unwrap(), 1);
}

/// Checks that the second attempt of the only row has succeeded, and that each attempt has sent one request.
async fn second_attempt_succeeded(world: &World, run: &Run) {
    let report = run.report().await.unwrap();
    let row = &report.rows[0];
    assert_eq!((counts(&report), row.attempts, world.entries().len()), ((1, 0, 0, 0), 2, 2), "{row:?}");
}

/// The end of an attempt reaches the store after another process has sent the next attempt, and the worker has the row again.
#[tokio::test]
async fn late_end_leaves_the_next_attempt() {
    let slow = first(Op::Write(RowState::Failed), Timing::before(100));
    let (world, run, elsewhere, of_runs) = processes(slow, at_once).await;
    world.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).times(1);
    let other = async {
        retried(&world, 135, &elsewhere, &of_runs).await;
        let now = world.clock.elapsed().as_secs();
        killed(&world, &elsewhere, (now, now + 8)).await;
        of_runs.advance(LEASES);
    };
    world.within(join(events(&run), other)).await;
    second_attempt_succeeded(&world, &run).await;
}

/// A departure reaches the store after another process has ended the attempt, whose request was refused, and the worker has the row again.
#[tokio::test]
async fn late_departure_sends_no_earlier_attempt() {
    let slow = first(Op::Depart, Timing::before(100));
    let (world, run, elsewhere, of_runs) = processes(slow, at_once).await;
    world.emulator.fault(Fault::Code(ErrorCode::DisallowedOperation)).on(Operation::UnrestrictCodeExecution).times(1);
    let other = async {
        retried(&world, 5, &elsewhere, &of_runs).await;
    };
    world.within(join(events(&run), other)).await;
    second_attempt_succeeded(&world, &run).await;
}

/// The worker gets the row for its next attempt before it has the response to a write of the attempt before.
#[tokio::test]
async fn late_response_keeps_the_next_attempt() {
    for state in [RowState::Submitted, RowState::Failed] {
        let slow = first(Op::Write(state), Timing::after(200));
        let (world, run, elsewhere, of_runs) = processes(slow, at_once).await;
        world.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).times(1);
        let other = async {
            retried(&world, 135, &elsewhere, &of_runs).await;
        };
        world.within(join(events(&run), other)).await;
        second_attempt_succeeded(&world, &run).await;
    }
}
