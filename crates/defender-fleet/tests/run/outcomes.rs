//! Outcomes that a worker knows and the journal does not take, and rows that a worker gives up.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use defender_actions::transport::{Clock, testing::ManualClock};
use defender_emulator::{ErrorCode, Fault, Operation};
use defender_fleet::{RetryRows, RowOrigin, Run, RunEvent};
use defender_store::RowState;
use futures_util::{
    StreamExt,
    future::{Either, join, join3, select},
};

use crate::{
    timed::{Call, Fails, Op, Script, Shared, Timing},
    world::{World, counts},
};

/// Time after which the leases of all rows have ended.
pub(crate) const LEASES: Duration = Duration::from_secs(100);

/// Connection of a process to the journal, which breaks.
#[derive(Clone, Default)]
struct Outage(Arc<AtomicBool>);

impl Outage {
    /// Begins with the first call of a method. `is_lost` if that call has its effect, and only its response is lost.
    fn at(&self, op: Op, is_lost: bool, timing: Timing) -> impl Script + use<> {
        let (is_away, calls) = (Arc::clone(&self.0), AtomicUsize::new(0));
        move |call: Call| {
            let is_first = call.op == op && calls.fetch_add(1, Ordering::SeqCst) == 0;
            if is_first {
                is_away.store(true, Ordering::SeqCst);
            }
            let is_of_journal = matches!(call.op, Op::Intend | Op::Settle | Op::Entry | Op::Finish);
            let fails = match (is_first, is_lost) {
                (true, true) => Some(Fails::AfterEffect),
                _ if is_of_journal && is_away.load(Ordering::SeqCst) => Some(Fails::WithoutEffect),
                _ => None,
            };
            let timing = if call.op == Op::Intend { timing } else { Timing::default() };
            Timing { fails, ..timing }
        }
    }

    async fn ends_at(&self, world: &World, seconds: u64) {
        world.at(seconds).await;
        self.0.store(false, Ordering::SeqCst);
    }
}

pub(crate) fn at_once(_: Call) -> Timing {
    Timing::default()
}

/// A run of one row in two processes with common stores. The clock of their leases is the last part.
pub(crate) async fn processes(
    first: impl Script + 'static,
    second: impl Script + 'static,
) -> (World, Run, Run, ManualClock) {
    let world = World::with(1, |emulator| emulator.running_for(Duration::from_secs(100)));
    let of_runs = ManualClock::new();
    let shared = Shared::new(&world.clock, &of_runs);
    let (world, other) = (world.with_stores(shared.stores(first)), world.with_stores(shared.stores(second)));
    let run = world.start(&world.release().first(1)).await;
    let elsewhere = other.fleet().run(run.id()).await.unwrap();
    (world, run, elsewhere, of_runs)
}

pub(crate) async fn events(run: &Run) -> Vec<Result<RunEvent, defender_fleet::Error>> {
    run.events().collect().await
}

/// Ends the leases of all rows at each of these seconds.
async fn leases_end(world: &World, of_runs: &ManualClock, seconds: [u64; 2]) {
    for at in seconds {
        world.at(at).await;
        of_runs.advance(LEASES);
    }
}

/// Works on the run in another process, which has its rows after 5 s, to the end.
async fn takes_over(
    world: &World,
    of_runs: &ManualClock,
    elsewhere: &Run,
) -> Vec<Result<RunEvent, defender_fleet::Error>> {
    world.at(5).await;
    of_runs.advance(LEASES);
    events(elsewhere).await
}

/// Works on the run in another process, which is killed, between these seconds.
pub(crate) async fn killed(world: &World, elsewhere: &Run, (from, to): (u64, u64)) {
    world.at(from).await;
    let mut sent = elsewhere.events();
    select(Box::pin(async { while sent.next().await.is_some() {} }), Box::pin(world.at(to))).await;
}

impl World {
    pub(crate) async fn at(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds).saturating_sub(self.clock.elapsed())).await;
    }

    /// Runs a future in virtual time, and fails if it does not end in ten minutes.
    pub(crate) async fn within<F: Future>(&self, future: F) -> F::Output {
        match self.run(select(Box::pin(future), self.clock.sleep(Duration::from_secs(600)))).await {
            Either::Left((output, _)) => output,
            Either::Right(_) => panic!("the worker does not end"),
        }
    }
}

/// The journal has the intent of a row, goes away, and takes no outcome.
#[tokio::test]
async fn unsent_row_outlives_an_outage() {
    for seconds in [20, 200] {
        let outage = Outage::default();
        let (world, run, _, _) = processes(outage.at(Op::Intend, true, Timing::default()), at_once).await;
        let (first, ()) = world.within(join(events(&run), outage.ends_at(&world, seconds))).await;
        assert!(first.last().unwrap().is_err(), "the journal failed");
        assert_eq!(world.entries().len(), 0);
        let report = world.within(run.finish()).await.unwrap();
        assert_eq!((counts(&report), world.entries().len()), ((1, 0, 0, 0), 1), "after {seconds} s: {report}");
    }
}

/// The connection of one process to the journal breaks. Another process takes the row, and searches for its action.
#[tokio::test]
async fn search_elsewhere_gets_the_outcome() {
    let outage = Outage::default();
    let (world, run, elsewhere, of_runs) = processes(outage.at(Op::Intend, true, Timing::default()), at_once).await;
    let second = takes_over(&world, &of_runs, &elsewhere);
    world.within(join3(events(&run), second, outage.ends_at(&world, 40))).await;
    let report = world.run(run.report()).await.unwrap();
    assert_eq!((counts(&report), world.entries().len()), ((1, 0, 0, 0), 1), "{report}");
}

/// The journal comes back after the worker has given up. A later worker of the process gets no row, since another process searches.
#[tokio::test]
async fn later_worker_writes_what_is_kept() {
    let outage = Outage::default();
    let (world, run, elsewhere, of_runs) = processes(outage.at(Op::Intend, true, Timing::default()), at_once).await;
    let first = async {
        assert!(events(&run).await.last().unwrap().is_err() && outage.0.load(Ordering::SeqCst), "the journal failed");
        outage.ends_at(&world, 90).await;
        events(&run).await
    };
    world.within(join(first, takes_over(&world, &of_runs, &elsewhere))).await;
    let report = world.run(run.report()).await.unwrap();
    assert_eq!((counts(&report), world.entries().len()), ((1, 0, 0, 0), 1), "{report}");
}

/// A worker loses its row while the intent is written, and the journal does not take at once that nothing was sent.
#[tokio::test]
async fn lost_row_gets_the_outcome() {
    let outage = Outage::default();
    let (world, run, elsewhere, of_runs) = processes(outage.at(Op::Settle, false, Timing::after(20)), at_once).await;
    let second = takes_over(&world, &of_runs, &elsewhere);
    let (first, _, ()) = world.within(join3(events(&run), second, outage.ends_at(&world, 60))).await;
    assert!(first.iter().all(Result::is_ok), "{first:?}");
    let report = world.run(run.report()).await.unwrap();
    assert_eq!((counts(&report), world.entries().len()), ((1, 0, 0, 0), 1), "{report}");
}

/// A worker gives up its request after another process has searched for the action.
#[tokio::test]
async fn late_outcome_is_reported() {
    let slow = |call: Call| match call.op {
        Op::Intend => Timing::after(300),
        _ => Timing::default(),
    };
    let (world, run, elsewhere, of_runs) = processes(slow, at_once).await;
    let second = async {
        takes_over(&world, &of_runs, &elsewhere).await;
        let report = elsewhere.report().await.unwrap();
        let error = report.rows[0].error.clone().unwrap();
        assert!(error.message.contains("no action that may be this one"), "{error:?}");
    };
    world.within(join(events(&run), second)).await;
    let report = elsewhere.report().await.unwrap();
    let error = report.rows[0].error.as_ref().unwrap();
    assert_eq!((counts(&report), error.kind.as_str()), ((0, 0, 1, 0), "outcome-unknown"), "{report}");
    assert!(error.message.starts_with("nothing was sent, "), "{}", error.message);
    assert_eq!((elsewhere.retry(RetryRows::Unknown).await.unwrap(), world.entries().len()), (1, 0));
    let report = world.within(elsewhere.finish()).await.unwrap();
    assert_eq!((counts(&report), world.entries().len()), ((1, 0, 0, 0), 1), "{report}");
}

/// A worker loses its row, and the journal has that its request was refused after another process has searched for the action.
#[tokio::test]
async fn late_refusal_is_reported() {
    let outage = Outage::default();
    let (world, run, elsewhere, of_runs) = processes(outage.at(Op::Settle, false, Timing::default()), at_once).await;
    world.emulator.fault(Fault::Code(ErrorCode::DisallowedOperation)).on(Operation::UnrestrictCodeExecution).times(1);
    let slow = world.on_post(Arc::new(|_| (Duration::from_secs(20), Duration::ZERO)));
    let run = slow.fleet().run(run.id()).await.unwrap();
    let second = takes_over(&world, &of_runs, &elsewhere);
    world.within(join3(events(&run), second, outage.ends_at(&world, 200))).await;
    world.within(events(&run)).await;
    let report = elsewhere.report().await.unwrap();
    let error = report.rows[0].error.as_ref().unwrap();
    assert_eq!((counts(&report), error.kind.as_str()), ((0, 0, 1, 0), "outcome-unknown"), "{report}");
    assert!(
        error.message.starts_with("the service refused the request, ") && error.message.contains("nothing happened, "),
        "{error:?}"
    );
    assert_eq!((elsewhere.retry(RetryRows::Unknown).await.unwrap(), world.entries().len()), (1, 1));
    let report = world.within(elsewhere.finish()).await.unwrap();
    assert_eq!((counts(&report), world.entries().len()), ((1, 0, 0, 0), 2), "{report}");
}

/// The end of an action is in the row although the journal does not respond.
#[tokio::test]
async fn hung_journal_does_not_hold_a_row() {
    let hung = |call: Call| match call.op {
        Op::Finish => Timing { before: Duration::from_secs(1 << 30), ..Timing::default() },
        _ => Timing::default(),
    };
    let (world, run, ..) = processes(hung, at_once).await;
    world.within(events(&run)).await;
    let report = run.report().await.unwrap();
    assert_eq!(counts(&report), (1, 0, 0, 0), "{report}");
}

/// The service refused the token, and the worker was lost before it had planned the row again: the next worker does.
#[tokio::test]
async fn refused_token_ends_no_row() {
    let stuck = |call: Call| match call.op {
        Op::Write(RowState::Planned) => Timing { before: Duration::from_secs(1 << 30), ..Timing::default() },
        _ => Timing::default(),
    };
    let (world, run, elsewhere, of_runs) = processes(stuck, at_once).await;
    let refused = world.emulator.fault(Fault::Unauthorized).on(Operation::UnrestrictCodeExecution);
    let first = world.run(select(Box::pin(events(&run)), world.clock.sleep(Duration::from_secs(60)))).await;
    assert!(matches!(first, Either::Right(_)), "the worker waits for the store");
    drop(first);
    refused.stop();
    of_runs.advance(LEASES);
    world.within(events(&elsewhere)).await;
    let report = elsewhere.report().await.unwrap();
    assert_eq!((counts(&report), report.rows[0].has_unknown_outcome()), ((1, 0, 0, 0), false), "{report}");
}

/// The service has accepted the action, and the journal does not take it at once.
#[tokio::test]
async fn accepted_action_outlives_an_outage() {
    let outage = Outage::default();
    let (world, run, _, _) = processes(outage.at(Op::Settle, false, Timing::default()), at_once).await;
    let (first, ()) = world.within(join(events(&run), outage.ends_at(&world, 20))).await;
    assert!(first.iter().all(Result::is_ok), "{first:?}");
    let report = world.run(run.report()).await.unwrap();
    assert_eq!((counts(&report), report.rows[0].origin), ((1, 0, 0, 0), Some(RowOrigin::Created)), "{report}");
    assert_eq!(world.entries().len(), 1);
}

/// A worker waits for its permit, loses its row to another process that sends it, gets the row again, and fails.
#[tokio::test]
async fn failed_worker_plans_no_sent_row() {
    let (permits, renewals) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let first = move |call: Call| match call.op {
        Op::Permit if permits.fetch_add(1, Ordering::SeqCst) == 0 => Timing::after(30),
        Op::Renew if renewals.fetch_add(1, Ordering::SeqCst) == 0 => {
            Timing { fails: Some(Fails::WithoutEffect), ..Timing::default() }
        }
        _ => Timing::default(),
    };
    // The journal of the other process has the action before the store of the runs has it.
    let second = |call: Call| match call.op {
        Op::Write(_) => Timing::before(300),
        _ => Timing::default(),
    };
    let (world, run, elsewhere, of_runs) = processes(first, second).await;
    let leases = leases_end(&world, &of_runs, [3, 8]);
    let sends = killed(&world, &elsewhere, (4, 60));
    let fails = async {
        let first = events(&run).await;
        assert!(first.last().unwrap().is_err() && world.clock.elapsed() < Duration::from_secs(60), "{first:?}");
        let counts = run.report().await.unwrap().counts;
        assert_eq!((world.entries().len(), counts.planned, counts.submitted), (1, 0, 1), "a sent row is planned");
    };
    world.within(join3(fails, sends, leases)).await;
    of_runs.advance(LEASES);
    let report = world.within(run.finish()).await.unwrap();
    assert_eq!((counts(&report), world.entries().len()), ((1, 0, 0, 0), 1), "{report}");
}

/// A look into the journal takes so long that another process sends the row meanwhile, and the worker gets the row again. Then the same, and the
/// response of the store to that claim is lost.
#[tokio::test]
async fn old_look_plans_no_sent_row() {
    for loses_claim in [false, true] {
        old_look(loses_claim).await;
    }
}

async fn old_look(loses_claim: bool) {
    let calls = Mutex::new(HashMap::<Op, u32>::new());
    let first = move |call: Call| {
        let mut calls = calls.lock().unwrap();
        let number = calls.entry(call.op).or_default();
        *number += 1;
        match (call.op, *number) {
            // The row stays as if its request could have been sent, and the journal has that it was not.
            (Op::Intend, 1) => Timing { fails: Some(Fails::AfterEffect), ..Timing::default() },
            (Op::Write(RowState::Planned), 1) => Timing { fails: Some(Fails::WithoutEffect), ..Timing::default() },
            (Op::Entry, 2) => Timing::after(28),
            (Op::Claim, 4) if loses_claim => Timing { fails: Some(Fails::AfterEffect), ..Timing::default() },
            _ => Timing::default(),
        }
    };
    let (world, run, elsewhere, of_runs) = processes(first, at_once).await;
    assert!(world.within(events(&run)).await.last().unwrap().is_err());
    let leases = leases_end(&world, &of_runs, [5, 15]);
    let sends = killed(&world, &elsewhere, (6, 14));
    let looks = async {
        world.at(50).await;
        let counts = run.report().await.unwrap().counts;
        assert_eq!((world.entries().len(), counts.planned, counts.submitted), (1, 0, 1), "a sent row is planned");
    };
    let ((second, (), ()), ()) = world.within(join(join3(events(&run), sends, leases), looks)).await;
    assert_eq!(second.last().unwrap().is_err(), loses_claim);
    of_runs.advance(LEASES);
    let report = world.within(run.finish()).await.unwrap();
    assert_eq!((counts(&report), world.entries().len()), ((1, 0, 0, 0), 1), "{report}");
}

/// A worker dies after its request. The next one finds the action, and the journal does not take it: for a moment, or until that worker has
/// failed or has died too.
#[tokio::test]
async fn found_action_outlives_an_outage() {
    for (until, ends) in [(590, 30), (590, 200), (40, 200)] {
        let outage = Outage::default();
        let (world, run, _, of_runs) = processes(outage.at(Op::Settle, false, Timing::default()), at_once).await;
        let slow = world.on_post(Arc::new(|_| (Duration::ZERO, Duration::from_secs(20))));
        let run = slow.fleet().run(run.id()).await.unwrap();
        world.within(killed(&world, &run, (0, 5))).await;
        assert_eq!(world.entries().len(), 1, "the request was sent");
        of_runs.advance(LEASES);
        world.within(join(killed(&world, &run, (10, until)), outage.ends_at(&world, ends))).await;
        of_runs.advance(LEASES);
        let report = world.within(run.finish()).await.unwrap();
        assert_eq!(
            (counts(&report), report.rows[0].origin),
            ((1, 0, 0, 0), Some(RowOrigin::Recovered)),
            "after {ends} s: {report}"
        );
        assert_eq!(world.entries().len(), 1);
    }
}
