//! Stores whose calls take time of the clock, and fail, as a script decides.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, Journal, JournalError, JournalScope, MemoryJournal, Settled, Settlement,
    Unsettled, model::MachineAction, transport::testing::ManualClock,
};
use defender_fleet::Stores;
use defender_store::{
    CreatedRun, Departure, MemoryRunStore, NewRun, RowState, RowWritten, RunId, RunStore, StoreError, StoreErrorKind,
    StoredRow, StoredRun, WorkerId, WorkerLease,
};
use defender_transport::{
    Clock, EndedPermit, MemoryQuotaStore, PermitRequest, Permits, QuotaStore, QuotaStoreError, extensions::QuotaKey,
};

use crate::world::pause;

/// Method of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Run,
    Halt,
    Reopen,
    Claim,
    Renew,
    Depart,
    Write(RowState),
    Retry,
    Intend,
    Settle,
    Finish,
    Entry,
    Permit,
}

/// Call of a store, with the index of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) op: Op,
    pub(crate) row: Option<u32>,
}

/// Times of a call before and after its effect.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timing {
    pub(crate) before: Duration,
    pub(crate) after: Duration,
    pub(crate) fails: Option<Fails>,
    /// Is pending once before and once after the effect, at no time of the clock.
    pub(crate) yields: bool,
}

/// Failure of a call. The caller cannot tell the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fails {
    WithoutEffect,
    AfterEffect,
}

impl Timing {
    pub(crate) fn before(seconds: u64) -> Self {
        Self { before: Duration::from_secs(seconds), ..Self::default() }
    }

    pub(crate) fn after(seconds: u64) -> Self {
        Self { after: Duration::from_secs(seconds), ..Self::default() }
    }
}

/// Decides on the calls of one process.
pub(crate) trait Script: Send + Sync {
    fn timing(&self, call: Call) -> Timing;

    /// The store lets a request depart.
    fn departs(&self, _row: u32) {}
}

impl<F: Fn(Call) -> Timing + Send + Sync> Script for F {
    fn timing(&self, call: Call) -> Timing {
        self(call)
    }
}

impl Script for Box<dyn Script> {
    fn timing(&self, call: Call) -> Timing {
        (**self).timing(call)
    }
}

/// Stores in memory, which all processes share.
#[derive(Clone)]
pub(crate) struct Shared {
    clock: ManualClock,
    pub(crate) runs: MemoryRunStore,
    journal: MemoryJournal,
    quota: Arc<MemoryQuotaStore>,
}

impl Shared {
    /// Creates stores in which leases of rows end on a clock of their own.
    pub(crate) fn new(clock: &ManualClock, of_runs: &ManualClock) -> Self {
        Self {
            clock: clock.clone(),
            runs: MemoryRunStore::new(of_runs.clone()),
            journal: MemoryJournal::new(clock.clone()),
            quota: Arc::new(MemoryQuotaStore::new(clock.clone())),
        }
    }

    /// Returns the stores as one process has them.
    pub(crate) fn stores(&self, script: impl Script + 'static) -> Stores {
        let script: Arc<dyn Script> = Arc::new(script);
        Stores::new(
            Arc::new(Timed { inner: self.journal.clone(), clock: self.clock.clone(), script: Arc::clone(&script) }),
            Arc::new(Timed { inner: Arc::clone(&self.quota), clock: self.clock.clone(), script: Arc::clone(&script) }),
            Arc::new(Timed { inner: self.runs.clone(), clock: self.clock.clone(), script }),
        )
    }
}

/// Store of one process.
struct Timed<S> {
    inner: S,
    clock: ManualClock,
    script: Arc<dyn Script>,
}

impl<S> fmt::Debug for Timed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timed")
    }
}

impl<S: Sync> Timed<S> {
    async fn call<T: Send, E>(
        &self,
        op: Op,
        row: Option<u32>,
        effect: impl Future<Output = Result<T, E>> + Send,
        error: fn() -> E,
    ) -> Result<T, E> {
        let Timing { before, after, fails, yields } = self.script.timing(Call { op, row });
        if yields {
            pause().await;
        }
        self.clock.sleep(before).await;
        if fails == Some(Fails::WithoutEffect) {
            return Err(error());
        }
        let output = effect.await?;
        if yields {
            pause().await;
        }
        self.clock.sleep(after).await;
        if fails.is_some() { Err(error()) } else { Ok(output) }
    }
}

fn runs_error() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the database runs.example does not respond")
}

fn journal_error() -> JournalError {
    JournalError::new("the database journal.example does not respond")
}

#[async_trait]
impl RunStore for Timed<MemoryRunStore> {
    async fn create_run(&self, run: &NewRun) -> Result<CreatedRun, StoreError> {
        self.inner.create_run(run).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<StoredRun>, StoreError> {
        self.call(Op::Run, None, self.inner.run(id), runs_error).await
    }

    async fn runs(&self, at_most: usize) -> Result<Vec<StoredRun>, StoreError> {
        self.inner.runs(at_most).await
    }

    async fn rows(&self, id: &RunId, from: u32, at_most: usize) -> Result<Vec<StoredRow>, StoreError> {
        self.inner.rows(id, from, at_most).await
    }

    async fn halt_run(&self, id: &RunId, reason: &str) -> Result<(), StoreError> {
        self.call(Op::Halt, None, self.inner.halt_run(id, reason), runs_error).await
    }

    async fn reopen_run(&self, id: &RunId) -> Result<(), StoreError> {
        self.call(Op::Reopen, None, self.inner.reopen_run(id), runs_error).await
    }

    async fn claim_rows(&self, id: &RunId, lease: WorkerLease, most: usize) -> Result<Vec<StoredRow>, StoreError> {
        self.call(Op::Claim, None, self.inner.claim_rows(id, lease, most), runs_error).await
    }

    async fn renew_rows(&self, id: &RunId, lease: WorkerLease) -> Result<u32, StoreError> {
        self.call(Op::Renew, None, self.inner.renew_rows(id, lease), runs_error).await
    }

    async fn depart_row(
        &self,
        id: &RunId,
        index: u32,
        worker: WorkerId,
        attempt: u32,
    ) -> Result<Departure, StoreError> {
        let effect = async {
            let departure = self.inner.depart_row(id, index, worker, attempt).await;
            if matches!(departure, Ok(Departure::Go)) {
                self.script.departs(index);
            }
            departure
        };
        self.call(Op::Depart, Some(index), effect, runs_error).await
    }

    async fn write_row(
        &self,
        id: &RunId,
        index: u32,
        worker: WorkerId,
        attempt: u32,
        state: RowState,
        document: &str,
    ) -> Result<RowWritten, StoreError> {
        let effect = self.inner.write_row(id, index, worker, attempt, state, document);
        self.call(Op::Write(state), Some(index), effect, runs_error).await
    }

    async fn retry_rows(&self, id: &RunId, indexes: &[u32]) -> Result<u32, StoreError> {
        self.call(Op::Retry, None, self.inner.retry_rows(id, indexes), runs_error).await
    }
}

/// Returns the index of the row of a key.
fn row_of(key: &EntryKey) -> Option<u32> {
    key.as_str().split('/').nth(2)?.parse().ok()
}

#[async_trait]
impl Journal for Timed<MemoryJournal> {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        let effect = self.inner.intend(key, intent, holder, lease);
        self.call(Op::Intend, row_of(key), effect, journal_error).await
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        self.call(Op::Settle, row_of(key), self.inner.settle(key, holder, outcome), journal_error).await
    }

    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError> {
        self.call(Op::Finish, row_of(key), self.inner.finish(key, last), journal_error).await
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        self.inner.claim_unsettled(scope, holder, lease, at_most).await
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        self.call(Op::Entry, row_of(key), self.inner.entry(key), journal_error).await
    }
}

#[async_trait]
impl QuotaStore for Timed<Arc<MemoryQuotaStore>> {
    async fn reserve(&self, request: &PermitRequest<'_>) -> Result<Permits, QuotaStoreError> {
        let error = || QuotaStoreError::new("the database quota.example does not respond");
        self.call(Op::Permit, None, self.inner.reserve(request), error).await
    }

    async fn release(&self, key: &QuotaKey, ended: &[EndedPermit]) -> Result<(), QuotaStoreError> {
        self.inner.release(key, ended).await
    }
}
