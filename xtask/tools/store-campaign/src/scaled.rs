//! A store whose clock is the machine's, for a client whose clock is faster: durations are converted on their way.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, Journal, JournalError, JournalScope, Settled, Settlement, Unsettled,
    model::MachineAction,
};
use defender_transport::{
    EndedPermit, PermitOutcome, PermitRequest, Permits, QuotaStore, QuotaStoreError,
    extensions::{QuotaKey, RateLimit},
};

use defender_store::{
    CreatedRun, Departure, NewRun, RowState, RowWritten, RunId, RunStore, StoreError, StoredRow, StoredRun, WorkerId,
    WorkerLease,
};

use crate::order::SPEED;

/// The store, as the client sees it.
#[derive(Clone, Debug)]
pub(crate) struct Scaled<S>(pub(crate) S);

#[async_trait]
impl<S: QuotaStore> QuotaStore for Scaled<S> {
    async fn reserve(&self, request: &PermitRequest<'_>) -> Result<Permits, QuotaStoreError> {
        let scale = |limit: &RateLimit| RateLimit { calls: limit.calls, per: limit.per / SPEED };
        let limits: Vec<_> = request.limits.iter().map(scale).collect();
        let request = PermitRequest { limits: &limits, hold: request.hold / SPEED, ..*request };
        let permits = self.0.reserve(&request).await?;
        Ok(Permits { retry_after: permits.retry_after.map(|time| time * SPEED), ..permits })
    }

    async fn release(&self, key: &QuotaKey, ended: &[EndedPermit]) -> Result<(), QuotaStoreError> {
        let scale = |ended: &EndedPermit| {
            let outcome = match ended.outcome {
                PermitOutcome::Refused { retry_after } => PermitOutcome::Refused { retry_after: retry_after / SPEED },
                other => other,
            };
            EndedPermit { outcome, ago: ended.ago / SPEED, ..*ended }
        };
        self.0.release(key, &ended.iter().map(scale).collect::<Vec<_>>()).await
    }
}

#[async_trait]
impl<S: Journal + fmt::Debug> Journal for Scaled<S> {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        self.0.intend(key, intent, holder, lease / SPEED).await
    }

    async fn may_resend(&self, key: &EntryKey) -> Result<(), JournalError> {
        self.0.may_resend(key).await
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        self.0.settle(key, holder, outcome).await
    }

    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError> {
        self.0.finish(key, last).await
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        self.0.claim_unsettled(scope, holder, lease / SPEED, at_most).await
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        self.0.entry(key).await
    }
}

#[async_trait]
impl<S: RunStore> RunStore for Scaled<S> {
    async fn create_run(&self, run: &NewRun) -> Result<CreatedRun, StoreError> {
        self.0.create_run(run).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<StoredRun>, StoreError> {
        self.0.run(id).await
    }

    async fn runs(&self, at_most: usize) -> Result<Vec<StoredRun>, StoreError> {
        self.0.runs(at_most).await
    }

    async fn rows(&self, id: &RunId, from: u32, at_most: usize) -> Result<Vec<StoredRow>, StoreError> {
        self.0.rows(id, from, at_most).await
    }

    async fn halt_run(&self, id: &RunId, reason: &str) -> Result<(), StoreError> {
        self.0.halt_run(id, reason).await
    }

    async fn reopen_run(&self, id: &RunId) -> Result<(), StoreError> {
        self.0.reopen_run(id).await
    }

    async fn claim_rows(&self, id: &RunId, lease: WorkerLease, at_most: usize) -> Result<Vec<StoredRow>, StoreError> {
        self.0.claim_rows(id, scaled(lease), at_most).await
    }

    async fn renew_rows(&self, id: &RunId, lease: WorkerLease) -> Result<u32, StoreError> {
        self.0.renew_rows(id, scaled(lease)).await
    }

    async fn depart_row(
        &self,
        id: &RunId,
        index: u32,
        worker: WorkerId,
        attempt: u32,
    ) -> Result<Departure, StoreError> {
        self.0.depart_row(id, index, worker, attempt).await
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
        self.0.write_row(id, index, worker, attempt, state, document).await
    }

    async fn retry_rows(&self, id: &RunId, indexes: &[u32]) -> Result<u32, StoreError> {
        self.0.retry_rows(id, indexes).await
    }
}

fn scaled(lease: WorkerLease) -> WorkerLease {
    WorkerLease { lease: lease.lease / SPEED, ..lease }
}
