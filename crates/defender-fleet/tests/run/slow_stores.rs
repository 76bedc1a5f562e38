//! Stores and a journal that respond slowly, or not at all.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use defender_actions::transport::Clock;
use defender_emulator::{Fault, Operation, RetryAfter};
use defender_fleet::RunEventKind as Kind;
use futures_util::StreamExt;

use crate::{
    outcomes::{at_once, events, processes},
    timed::{Call, Fails, Op, Shared, Timing},
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
