//! Workers that die at any await, and the workers that follow them.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, Journal, JournalError, JournalScope, MemoryJournal, Settled, Settlement,
    Unsettled,
    model::{ActionId, MachineAction},
};
use defender_emulator::{Effect, Fault, Operation, Outcome, RetryAfter};
use defender_fleet::{Report, ReportState, RowOrigin, Run, Stores};
use defender_store::{
    CreatedRun, Departure, MemoryRunStore, NewRun, RowState, RowWritten, RunId, RunStore, StoreError, StoredRow,
    StoredRun, WorkerId, WorkerLease,
};
use defender_transport::MemoryQuotaStore;
use futures_util::StreamExt;
use proptest::prelude::*;

use crate::world::{World, pause};

/// Store that waits before and after each effect, as a database does.
#[derive(Debug)]
struct Yielding<S>(S);

#[async_trait]
impl RunStore for Yielding<MemoryRunStore> {
    async fn create_run(&self, run: &NewRun) -> Result<CreatedRun, StoreError> {
        self.0.create_run(run).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<StoredRun>, StoreError> {
        pause().await;
        self.0.run(id).await
    }

    async fn runs(&self, at_most: usize) -> Result<Vec<StoredRun>, StoreError> {
        self.0.runs(at_most).await
    }

    async fn rows(&self, id: &RunId, from: u32, at_most: usize) -> Result<Vec<StoredRow>, StoreError> {
        self.0.rows(id, from, at_most).await
    }

    async fn halt_run(&self, id: &RunId, reason: &str) -> Result<(), StoreError> {
        pause().await;
        self.0.halt_run(id, reason).await
    }

    async fn reopen_run(&self, id: &RunId) -> Result<(), StoreError> {
        self.0.reopen_run(id).await
    }

    async fn claim_rows(&self, id: &RunId, lease: WorkerLease, most: usize) -> Result<Vec<StoredRow>, StoreError> {
        pause().await;
        let rows = self.0.claim_rows(id, lease, most).await;
        pause().await;
        rows
    }

    async fn renew_rows(&self, id: &RunId, lease: WorkerLease) -> Result<u32, StoreError> {
        pause().await;
        self.0.renew_rows(id, lease).await
    }

    async fn depart_row(&self, id: &RunId, index: u32, worker: WorkerId) -> Result<Departure, StoreError> {
        pause().await;
        let departure = self.0.depart_row(id, index, worker).await;
        pause().await;
        departure
    }

    async fn write_row(
        &self,
        id: &RunId,
        index: u32,
        worker: WorkerId,
        state: RowState,
        document: &str,
    ) -> Result<RowWritten, StoreError> {
        pause().await;
        let written = self.0.write_row(id, index, worker, state, document).await;
        pause().await;
        written
    }

    async fn retry_rows(&self, id: &RunId, indexes: &[u32]) -> Result<u32, StoreError> {
        self.0.retry_rows(id, indexes).await
    }
}

#[async_trait]
impl Journal for Yielding<MemoryJournal> {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        pause().await;
        let intended = self.0.intend(key, intent, holder, lease).await;
        pause().await;
        intended
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        pause().await;
        let settled = self.0.settle(key, holder, outcome).await;
        pause().await;
        settled
    }

    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError> {
        pause().await;
        self.0.finish(key, last).await
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        self.0.claim_unsettled(scope, holder, lease, at_most).await
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        pause().await;
        self.0.entry(key).await
    }
}

fn world(machines: u32) -> World {
    let world = World::new(machines);
    let clock = world.clock.clone();
    let stores = Stores::new(
        Arc::new(Yielding(MemoryJournal::new(clock.clone()))),
        Arc::new(MemoryQuotaStore::new(clock.clone())),
        Arc::new(Yielding(MemoryRunStore::new(clock))),
    );
    world.with_stores(stores).pausing()
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
        let world = world(4);
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
            let world = world(8);
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
