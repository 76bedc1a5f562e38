//! Workers that die at any await, and the workers that follow them.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use defender_actions::model::ActionId;
use defender_emulator::{Effect, Fault, Operation, Outcome, RetryAfter};
use defender_fleet::{Report, ReportState, RowOrigin, Run};
use futures_util::StreamExt;
use proptest::prelude::*;

use crate::{
    timed::{Shared, Timing},
    world::World,
};

/// World whose stores are pending before and after each effect, as a database is.
fn world(machines: u32) -> World {
    let world = World::new(machines);
    let stores = Shared::new(&world.clock, &world.clock).stores(|_| Timing { yields: true, ..Timing::default() });
    world.with_stores(stores)
}

/// Future that ends without its output after a number of polls, as with a process that dies.
struct Dies<F> {
    inner: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for Dies<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.inner.as_mut().poll(context).map(Some)
    }
}

/// Works on a run for this many polls, and dies. Returns true if the run ended before.
async fn dies_after(world: &World, run: &Run, polls: usize) -> bool {
    let events = run.events().map(|event| drop(event.unwrap()));
    world.run(Dies { inner: Box::pin(events.collect::<Vec<_>>()), left: polls }).await.is_some()
}

/// Fails unless the report is what the ledger of the service shows: nothing was sent twice, and nothing is lost.
fn agrees_with_ledger(world: &World, report: &Report) {
    assert_eq!(report.counts.open(), 0, "{report}");
    let entries = world.entries();
    for row in &report.rows {
        let id = row.machine_id.as_ref().unwrap().as_str();
        let posts: Vec<_> = entries.iter().filter(|e| e.path.contains(id) && e.status != 429).collect();
        assert!(posts.len() <= 1, "sent twice to {id}: {posts:?}");
        let created = posts.iter().find_map(|entry| match &entry.effect {
            Effect::Created(action) => Some(action.as_str()),
            _ => None,
        });
        assert_eq!(row.action_id.as_ref().map(ActionId::as_str), created, "{id}: {row:?}");
        match row.state {
            ReportState::Succeeded => {
                assert!(matches!(row.origin, Some(RowOrigin::Created | RowOrigin::Recovered)), "{row:?}");
            }
            ReportState::Failed => assert!(row.error.is_some() && posts.len() == 1, "{row:?}"),
            // The process died between the intent and the request.
            ReportState::Unknown => assert!(row.error.is_some() && posts.is_empty(), "{row:?}"),
            _ => panic!("{row:?}"),
        }
    }
}

#[tokio::test]
async fn worker_may_die_at_any_await() {
    let (mut polls, mut unknown, mut recovered) = (0, 0, 0);
    loop {
        let world = world(4).pausing();
        let run = world.start(&world.release().waves(&[1])).await;
        let has_ended = dies_after(&world, &run, polls).await;
        let resumed = world.fleet().run(run.id()).await.unwrap();
        let report = world.run(resumed.finish()).await.unwrap();
        agrees_with_ledger(&world, &report);
        unknown += report.counts.unknown;
        recovered += report.rows.iter().filter(|row| row.origin == Some(RowOrigin::Recovered)).count();
        if has_ended {
            break;
        }
        polls += 1;
    }
    println!("{polls} places to die, {recovered} rows recovered, {unknown} unknown");
    assert!(polls > 50 && recovered > 0 && unknown > 0);
}

/// A person halts the run while the worker stands at any await.
#[tokio::test]
async fn halt_may_come_at_any_await() {
    let mut denied = 0;
    for polls in 0.. {
        let world = world(6);
        let run = world.start(&world.release().waves(&[2])).await;
        let mut events = run.events().fuse();
        let some = Dies { inner: Box::pin(events.by_ref().collect::<Vec<_>>()), left: polls };
        let has_ended = world.run(some).await.is_some();
        world.run(run.halt("stop")).await.unwrap();
        let sent = world.entries().len();
        assert!(world.run(events.collect::<Vec<_>>()).await.iter().all(Result::is_ok));
        assert_eq!(world.entries().len(), sent, "sent after the halt, which came after {polls} polls");
        let report = run.report().await.unwrap();
        let done = usize::try_from(report.counts.succeeded).unwrap();
        assert_eq!((done, report.counts.sending, report.counts.submitted), (sent, 0, 0), "{report}");
        denied += usize::try_from(report.counts.planned).unwrap();
        if has_ended {
            break;
        }
        let resumed = world.fleet().resume(run.id()).await.unwrap();
        let report = world.run(resumed.finish()).await.unwrap();
        assert_eq!(report.counts.succeeded, 6, "{report}");
        world.each_machine_has_one_action();
    }
    assert!(denied > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn workers_die_again_and_again(
        deaths in prop::collection::vec(0_usize..120, 1..6),
        lost in 0_u32..3,
        refused in 0_u32..3,
        failing in 0_usize..4,
        waves in prop::collection::vec(1_usize..4, 0..3),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = world(8).pausing();
            let throttled = Fault::TooManyRequests(RetryAfter::Seconds(5));
            for (fault, times) in [(Fault::ResetAfterEffect, lost), (throttled, refused)] {
                if times > 0 {
                    world.emulator.fault(fault).on(Operation::UnrestrictCodeExecution).times(times);
                }
            }
            for id in world.emulator.machine_ids().into_iter().take(failing) {
                world.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).on_machine(id);
            }
            let run = world.start(&world.release().waves(&waves)).await;
            for polls in deaths {
                let run = world.fleet().run(run.id()).await.unwrap();
                dies_after(&world, &run, polls).await;
            }
            let run = world.fleet().run(run.id()).await.unwrap();
            let report = world.run(run.finish()).await.unwrap();
            agrees_with_ledger(&world, &report);
        });
    }
}
