//! Stores that wait before and after each effect.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, Journal, JournalError, JournalScope, MemoryJournal, Settled, Settlement,
    Unsettled, model::MachineAction,
};
use defender_fleet::Stores;
use defender_store::{
    CreatedRun, Departure, MemoryRunStore, NewRun, RowState, RowWritten, RunId, RunStore, StoreError, StoredRow,
    StoredRun, WorkerId, WorkerLease,
};
use defender_transport::MemoryQuotaStore;

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

/// Returns a world whose stores wait.
pub(crate) fn world(machines: u32) -> World {
    let world = World::new(machines);
    let clock = world.clock.clone();
    let stores = Stores::new(
        Arc::new(Yielding(MemoryJournal::new(clock.clone()))),
        Arc::new(MemoryQuotaStore::new(clock.clone())),
        Arc::new(Yielding(MemoryRunStore::new(clock))),
    );
    world.with_stores(stores)
}
