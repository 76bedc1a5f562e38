//! Claims, departures, halts and resumes that overlap, in one process and in two.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use defender_actions::transport::{Clock, testing::ManualClock};
use defender_emulator::{Effect, Fault, Operation, RetryAfter};
use defender_fleet::{Report, Run, RunEvent, RunEventKind as Kind};
use defender_store::RowState;
use futures_util::{
    StreamExt,
    future::{Either, join, join3, select},
};

use crate::{
    timed::{Call, Op, Script, Shared, Timing},
    world::{World, counts, number},
};

const RELEASE: Operation = Operation::UnrestrictCodeExecution;

/// Two processes with common stores. The clock of their leases is the third part.
fn processes(
    machines: u32,
    first: impl Script + 'static,
    second: impl Script + 'static,
) -> (World, World, ManualClock) {
    let world = World::new(machines);
    let of_runs = ManualClock::new();
    let shared = Shared::new(&world.clock, &of_runs);
    (world.with_stores(shared.stores(first)), world.with_stores(shared.stores(second)), of_runs)
}

/// Script without delays.
fn at_once(_: Call) -> Timing {
    Timing::default()
}

/// Counts the calls of a method.
fn counting(op: Op, calls: &Arc<AtomicUsize>) -> impl Script + use<> {
    let calls = Arc::clone(calls);
    move |call: Call| {
        if call.op == op {
            assert!(calls.fetch_add(1, Ordering::SeqCst) < 1_000, "the worker asks again and again");
        }
        Timing::default()
    }
}

fn timing(before: u64, after: u64) -> Timing {
    Timing { before: Duration::from_secs(before), ..Timing::after(after) }
}

/// Delays the first call of each of these methods.
fn first_calls<const N: usize>(delays: [(Op, Timing); N]) -> Box<dyn Script> {
    let delays = Mutex::new(HashMap::from(delays));
    Box::new(move |call: Call| delays.lock().unwrap().remove(&call.op).unwrap_or_default())
}

impl World {
    async fn after(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Runs a future in virtual time, and fails if it does not end in ten minutes.
    async fn ends<F: Future>(&self, future: F) -> F::Output {
        match self.run(select(Box::pin(future), self.clock.sleep(Duration::from_secs(600)))).await {
            Either::Left((output, _)) => output,
            Either::Right(_) => panic!("the worker does not end"),
        }
    }

    fn created(&self) -> usize {
        self.entries().iter().filter(|entry| matches!(entry.effect, Effect::Created(_))).count()
    }
}

async fn events(run: &Run) -> Vec<RunEvent> {
    run.events().map(Result::unwrap).collect().await
}

/// Fails unless each action is in the report.
fn has_each_action(world: &World, report: &Report) {
    let of_rows = report.rows.iter().filter(|row| row.action_id.is_some()).count();
    assert_eq!(of_rows, world.created(), "the report differs from the ledger: {report}");
}

/// The store has put a row back, and its response is on the way while the worker claims rows again.
#[tokio::test]
async fn row_put_back_late_is_sent() {
    let put_back = |call: Call| match call.op {
        Op::Write(RowState::Planned) => Timing::after(15),
        _ => Timing::default(),
    };
    let (world, _, _) = processes(2, put_back, at_once);
    let id = world.emulator.machine_ids()[0].to_owned();
    let throttled = Fault::TooManyRequests(RetryAfter::Seconds(200));
    world.emulator.fault(throttled).on(RELEASE).on_machine(id).times(1);
    let run = world.start(&world.release().first(2)).await;
    let report = world.ends(run.finish()).await.unwrap();
    assert_eq!((counts(&report), world.created()), ((2, 0, 0, 0), 2), "{report}");
}

/// The store is read for the state of the run, and the response does not show a halt that has come meanwhile.
#[tokio::test]
async fn late_read_keeps_the_halt() {
    for (halt_at, halt, read) in [
        // The read begins before the halt, and ends after it.
        (26, Timing::default(), Timing::after(5)),
        // The read ends while the halt is on its way to the store.
        (2, Timing::before(4), Timing::default()),
        // The read begins while the halt is on its way, and ends after it.
        (7, Timing::before(2), Timing::after(5)),
    ] {
        let departures = AtomicUsize::new(0);
        let script = move |call: Call| match call.op {
            Op::Run => read,
            Op::Halt => halt,
            // So that the request departs again.
            Op::Intend => Timing::after(1),
            // The store has let the request depart, and the worker does not know yet.
            Op::Depart if departures.fetch_add(1, Ordering::SeqCst) == 1 => Timing::after(24),
            _ => Timing::default(),
        };
        let (world, _, _) = processes(1, script, at_once);
        let run = world.start(&world.release().first(1)).await;
        let halts = async {
            world.after(halt_at).await;
            run.halt("stop").await.unwrap();
            assert_eq!(world.entries().len(), 0, "the response of the store is on its way");
        };
        world.ends(join(events(&run), halts)).await;
        assert_eq!(world.entries().len(), 0, "sent after a halt at {halt_at} s");
        assert_eq!(counts(&world.run(run.report()).await.unwrap()), (0, 0, 0, 1));
        let resumed = world.run(world.fleet().resume(run.id())).await.unwrap();
        assert_eq!(counts(&world.ends(resumed.finish()).await.unwrap()), (1, 0, 0, 0));
        assert_eq!(world.created(), 1);
    }
}

/// A halt comes while the store ends the halt before it.
#[tokio::test]
async fn resume_ends_no_later_halt() {
    let departures = AtomicUsize::new(0);
    let script = move |call: Call| match call.op {
        Op::Reopen => Timing::after(4),
        // So that the request departs again.
        Op::Intend => Timing::after(1),
        Op::Depart if departures.fetch_add(1, Ordering::SeqCst) == 1 => Timing::after(28),
        _ => Timing::default(),
    };
    let (world, _, _) = processes(1, script, at_once);
    let fleet = world.fleet();
    let run = fleet.start(&world.release().first(1).approved()).await.unwrap();
    let halts = async {
        world.after(1).await;
        run.halt("stop").await.unwrap();
        let again = async {
            world.after(2).await;
            run.halt("stop again").await.unwrap();
        };
        join(fleet.resume(run.id()), again).await.0.unwrap();
    };
    world.ends(join(events(&run), halts)).await;
    assert_eq!(world.entries().len(), 0, "sent after the second halt");
    let report = world.run(run.report()).await.unwrap();
    assert_eq!((counts(&report), report.halted.as_deref()), ((0, 0, 0, 1), Some("stop again")));
}

/// A halt, in the process of the worker or in another one, at any time between the claim of a row and its request.
#[tokio::test]
async fn halt_overtakes_the_request() {
    let slow = |call: Call| match call.op {
        Op::Claim | Op::Depart | Op::Intend => timing(1, 1),
        _ => Timing::default(),
    };
    for (is_elsewhere, seconds) in [false, true].into_iter().flat_map(|other| (0..10).map(move |at| (other, at))) {
        let (world, other, _) = processes(1, slow, at_once);
        let run = world.start(&world.release().first(1)).await;
        let halting = if is_elsewhere { other.fleet().run(run.id()).await.unwrap() } else { run.clone() };
        let halts = async {
            world.clock.sleep(Duration::from_millis(seconds * 1_000 + 500)).await;
            halting.halt("stop").await.unwrap();
            world.entries().len()
        };
        let (_, before) = world.ends(join(events(&run), halts)).await;
        let (sent, report) = (world.entries().len(), world.run(run.report()).await.unwrap());
        // The store lets the request depart after 7 s, and the worker knows after 8 s.
        let expected = usize::from(if is_elsewhere { seconds >= 7 } else { seconds >= 8 });
        assert_eq!(sent, expected, "halted after {seconds} s, elsewhere: {is_elsewhere}");
        assert!(is_elsewhere || sent == before);
        assert_eq!(report.counts.succeeded as usize, sent, "{report}");
        has_each_action(&world, &report);
    }
}

/// Another worker of the process claims a row whose request is on its way to the store or to the journal.
#[tokio::test]
async fn second_claim_of_a_key_waits() {
    let slow_read = first_calls([(Op::Entry, Timing::after(5)), (Op::Intend, timing(8, 12))]);
    for (number, script) in
        [first_calls([(Op::Depart, Timing::after(20))]), first_calls([(Op::Intend, Timing::after(20))]), slow_read]
            .into_iter()
            .enumerate()
    {
        let (world, _, of_runs) = processes(1, script, at_once);
        let run = world.start(&world.release().first(1)).await;
        let second = async {
            world.after(5).await;
            of_runs.advance(Duration::from_secs(100));
            events(&run).await
        };
        let (first, second) = world.ends(join(events(&run), second)).await;
        let report = world.run(run.report()).await.unwrap();
        assert_eq!((counts(&report), world.entries().len()), ((1, 0, 0, 0), 1), "case {number}: {report}");
        assert_eq!(submitted(&first) + submitted(&second), 1, "case {number}");
        has_each_action(&world, &report);
    }
}

fn submitted(events: &[RunEvent]) -> usize {
    number(events, |kind| matches!(kind, Kind::Submitted { .. }))
}

/// The store lets a request depart, another worker takes the row and finds the run halted, and the first worker goes on.
#[tokio::test]
async fn taken_row_is_not_sent_after_a_halt() {
    for (op, is_elsewhere) in [(Op::Depart, false), (Op::Depart, true), (Op::Intend, false), (Op::Intend, true)] {
        let (world, other, of_runs) = processes(1, first_calls([(op, Timing::after(20))]), at_once);
        let run = world.start(&world.release().first(1)).await;
        let elsewhere = other.fleet().run(run.id()).await.unwrap();
        let second = async {
            world.after(4).await;
            elsewhere.halt("stop").await.unwrap();
            of_runs.advance(Duration::from_secs(100));
            events(if is_elsewhere { &elsewhere } else { &run }).await
        };
        world.ends(join(events(&run), second)).await;
        let report = world.run(run.report()).await.unwrap();
        has_each_action(&world, &report);
        assert_eq!(world.entries().len(), 0, "{op:?}, elsewhere: {is_elsewhere}");
        let resumed = other.fleet().resume(run.id()).await.unwrap();
        let report = world.ends(resumed.finish()).await.unwrap();
        assert_eq!((counts(&report), world.created()), ((1, 0, 0, 0), 1), "{op:?}: {report}");
    }
}

/// The lease of a worker ends while its request waits for its permit, and it claims its own row.
#[tokio::test]
async fn own_row_is_begun_once() {
    let permits = Arc::new(AtomicUsize::new(0));
    let calls = Arc::clone(&permits);
    let script = move |call: Call| match call.op {
        Op::Permit if calls.fetch_add(1, Ordering::SeqCst) == 0 => Timing::after(25),
        _ => Timing::default(),
    };
    let (world, _, of_runs) = processes(1, script, at_once);
    let run = world.start(&world.release().first(1)).await;
    let lease = async {
        world.after(5).await;
        of_runs.advance(Duration::from_secs(100));
        world.after(15).await;
        assert_eq!(permits.load(Ordering::SeqCst), 1, "the row was begun twice");
    };
    world.ends(join(events(&run), lease)).await;
    assert_eq!(counts(&world.run(run.report()).await.unwrap()), (1, 0, 0, 0));
}

/// A worker claims a row anew that another one has sent meanwhile, while its own request waits for its permit.
#[tokio::test]
async fn row_sent_elsewhere_is_not_planned() {
    let (first, second) =
        (first_calls([(Op::Permit, Timing::after(30))]), first_calls([(Op::Settle, Timing::before(27))]));
    let (world, other, of_runs) = processes(1, first, second);
    let run = world.start(&world.release().first(1)).await;
    let elsewhere = other.fleet().run(run.id()).await.unwrap();
    let leases = async {
        world.after(3).await;
        of_runs.advance(Duration::from_secs(100));
        world.after(5).await;
        of_runs.advance(Duration::from_secs(100));
        world.after(12).await;
        elsewhere.halt("stop").await.unwrap();
    };
    let sends = async {
        world.after(4).await;
        events(&elsewhere).await
    };
    world.ends(join3(events(&run), sends, leases)).await;
    let report = world.run(run.report()).await.unwrap();
    assert_eq!((counts(&report), world.created()), ((1, 0, 0, 0), 1), "{report}");
}

/// The response of a claim comes so late that another worker of the process has claimed the row, and waits for its permit.
#[tokio::test]
async fn late_claim_leaves_the_row() {
    let claims = AtomicUsize::new(0);
    let script = move |call: Call| match call.op {
        Op::Claim if claims.fetch_add(1, Ordering::SeqCst) == 0 => Timing::after(100),
        Op::Permit => Timing::after(20),
        _ => Timing::default(),
    };
    let (world, _, of_runs) = processes(1, script, at_once);
    let run = world.start(&world.release().first(1)).await;
    let second = async {
        world.after(91).await;
        of_runs.advance(Duration::from_secs(91));
        events(&run).await
    };
    world.ends(join(events(&run), second)).await;
    let report = world.run(run.report()).await.unwrap();
    assert_eq!((counts(&report), world.entries().len()), ((1, 0, 0, 0), 1), "{report}");
}

/// The run is halted in the process of a worker and resumed in another one, while the worker waits for actions.
#[tokio::test]
async fn worker_follows_the_end_of_a_halt() {
    for waves in [&[20][..], &[]] {
        let departures = Arc::new(AtomicUsize::new(0));
        let world = World::with(80, |emulator| emulator.running_for(Duration::from_secs(300)));
        let shared = Shared::new(&world.clock, &world.clock);
        let other = world.with_stores(shared.stores(at_once)).fleet();
        let world = world.with_stores(shared.stores(counting(Op::Depart, &departures)));
        let run = world.start(&world.release().waves(waves)).await;
        let mut events = run.events();
        let mut until = async |is_one: &dyn Fn(&Kind) -> bool| loop {
            let event = world.ends(events.next()).await.expect("the worker goes on").unwrap();
            if is_one(&event.kind) {
                break;
            }
        };
        until(&|kind| matches!(kind, Kind::Submitted { .. })).await;
        run.halt("stop").await.unwrap();
        until(&|kind| matches!(kind, Kind::Halted { .. })).await;
        other.resume(run.id()).await.unwrap();
        until(&|kind| matches!(kind, Kind::Sent { .. })).await;
        // Another halt is followed as well.
        other.run(run.id()).await.unwrap().halt("stop again").await.unwrap();
        until(&|kind| matches!(kind, Kind::Halted { reason } if reason == "stop again")).await;
        other.resume(run.id()).await.unwrap();
        until(&|kind| matches!(kind, Kind::Ended { counts } if counts.succeeded == 80)).await;
        world.each_machine_has_one_action();
        let departures = departures.load(Ordering::SeqCst);
        assert!(departures <= 2 * 80 + 2 * 32, "{departures} departures were asked for");
    }
}
