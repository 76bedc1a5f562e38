//! The tools of a clause: a run of its own, and the handles of the store.

use std::{sync::Arc, time::Duration};

use defender_transport::Clock;

use crate::{
    CreatedRun, Departure, NewRow, NewRun, RowState, RowWritten, RunId, RunStore, StoreError, StoredRow, StoredRun,
    WorkerId, WorkerLease,
    conformance::verdict::{Stop, check},
};

pub(super) struct Bench<'a> {
    stores: &'a [Arc<dyn RunStore>],
    pub(super) clock: &'a dyn Clock,
    pub(super) unit: Duration,
    pub(super) id: RunId,
    /// Attempt of departures and writes.
    attempt: u32,
}

impl<'a> Bench<'a> {
    pub(super) fn new(stores: &'a [Arc<dyn RunStore>], clock: &'a dyn Clock, unit: Duration) -> Self {
        Self { stores, clock, unit, id: RunId::generate(), attempt: 1 }
    }

    /// The same with another run.
    pub(super) fn other_run(&self) -> Self {
        Self { id: RunId::generate(), ..*self }
    }

    /// The same with departures and writes of another attempt.
    pub(super) fn of_attempt(&self, attempt: u32) -> Self {
        Self { id: self.id.clone(), attempt, ..*self }
    }

    pub(super) fn new_run(&self, waves: &[u32], halt_after: Option<u32>) -> NewRun {
        let row = |(index, wave): (usize, &u32)| NewRow { wave: *wave, document: format!("row {index}") };
        NewRun {
            id: self.id.clone(),
            tenant_id: "tenant".to_owned(),
            document: "run".to_owned(),
            halt_after,
            rows: waves.iter().enumerate().map(row).collect(),
        }
    }

    /// Creates the run with a row in each of these waves.
    pub(super) async fn create(&self, waves: &[u32], halt_after: Option<u32>) -> Result<(), Stop> {
        let created = self.create_run(0, &self.new_run(waves, halt_after)).await?;
        check(created == CreatedRun::New, format!("a new run was {created:?}"))
    }

    pub(super) async fn create_run(&self, handle: usize, run: &NewRun) -> Result<CreatedRun, Stop> {
        self.store(handle)?.create_run(run).await.map_err(failed)
    }

    pub(super) async fn stored(&self, handle: usize) -> Result<StoredRun, Stop> {
        let run = self.store(handle)?.run(&self.id).await.map_err(failed)?;
        run.ok_or_else(|| Stop::Broken(format!("there is no run {}", self.id)))
    }

    pub(super) async fn rows(&self, handle: usize) -> Result<Vec<StoredRow>, Stop> {
        self.rows_from(handle, 0, 10_000).await
    }

    pub(super) async fn rows_from(&self, handle: usize, from: u32, at_most: usize) -> Result<Vec<StoredRow>, Stop> {
        self.store(handle)?.rows(&self.id, from, at_most).await.map_err(failed)
    }

    /// States of all rows, by each handle.
    pub(super) async fn states(&self) -> Result<Vec<RowState>, Stop> {
        let states = |rows: Vec<StoredRow>| rows.into_iter().map(|row| row.state).collect::<Vec<_>>();
        let first = states(self.rows(0).await?);
        for handle in 1..self.stores.len() {
            let other = states(self.rows(handle).await?);
            check(other == first, format!("the rows are {first:?} for one handle and {other:?} for another"))?;
        }
        let mut counts = self.stored(1).await?.counts;
        for state in RowState::ALL {
            let there = first.iter().filter(|there| **there == state).count();
            let counted = *counts.of(state);
            check(u32::try_from(there) == Ok(counted), format!("{counted} rows are counted as {state:?}, of {there}"))?;
        }
        Ok(first)
    }

    /// Checks the states of all rows.
    pub(super) async fn has(&self, expected: &[RowState]) -> Result<(), Stop> {
        let states = self.states().await?;
        check(states == expected, format!("the rows are {states:?}, and not {expected:?}"))
    }

    /// A time after which no clause looks.
    pub(super) fn long(&self) -> Duration {
        self.unit.saturating_mul(1_000)
    }

    /// Claims rows for long. Returns their indexes.
    pub(super) async fn claim(&self, handle: usize, worker: WorkerId, at_most: usize) -> Result<Vec<u32>, Stop> {
        self.claim_for(handle, worker, self.long(), at_most).await
    }

    pub(super) async fn claim_for(
        &self,
        handle: usize,
        worker: WorkerId,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<u32>, Stop> {
        let claimed = self.claimed(handle, WorkerLease { worker, lease }, at_most).await?;
        Ok(claimed.into_iter().map(|row| row.index).collect())
    }

    pub(super) async fn claimed(
        &self,
        handle: usize,
        lease: WorkerLease,
        at_most: usize,
    ) -> Result<Vec<StoredRow>, Stop> {
        let claimed = self.store(handle)?.claim_rows(&self.id, lease, at_most).await.map_err(failed)?;
        check(claimed.len() <= at_most, format!("{} rows were claimed, and {at_most} asked for", claimed.len()))?;
        Ok(claimed)
    }

    /// Claims all rows that are free, as a new worker. All rows of the first wave must be.
    pub(super) async fn worker(&self, count: usize) -> Result<WorkerId, Stop> {
        self.worker_for(self.long(), count).await
    }

    pub(super) async fn worker_for(&self, lease: Duration, count: usize) -> Result<WorkerId, Stop> {
        let worker = WorkerId::generate();
        let claimed = self.claim_for(0, worker, lease, 10_000).await?;
        check(claimed.len() == count, format!("{claimed:?} were claimed, of {count} free rows"))?;
        Ok(worker)
    }

    /// Creates the run with a row that has failed and was planned again, and that its worker has claimed again.
    pub(super) async fn worker_again(&self) -> Result<WorkerId, Stop> {
        self.create(&[0], None).await?;
        let worker = self.worker(1).await?;
        self.done(0, worker, RowState::Failed, false).await?;
        self.retry(1, &[0]).await?;
        let claimed = self.claim(0, worker, 10).await?;
        check(claimed == [0], format!("rows {claimed:?} were claimed, and 0 is planned again"))?;
        Ok(worker)
    }

    /// Checks that another worker finds no free row before `until`.
    pub(super) async fn none_is_free(&self, handle: usize, until: Duration, why: &str) -> Result<(), Stop> {
        let claimed = self.claim(handle, WorkerId::generate(), 10).await?;
        match claimed.first() {
            None => Ok(()),
            Some(row) if self.clock.elapsed() < until => {
                Err(Stop::Broken(format!("row {row} was claimed, although {why}")))
            }
            Some(_) => Err(Stop::TooSlow),
        }
    }

    pub(super) async fn renew(&self, handle: usize, worker: WorkerId, lease: Duration) -> Result<u32, Stop> {
        self.store(handle)?.renew_rows(&self.id, WorkerLease { worker, lease }).await.map_err(failed)
    }

    pub(super) async fn depart(&self, handle: usize, index: u32, worker: WorkerId) -> Result<Departure, Stop> {
        self.store(handle)?.depart_row(&self.id, index, worker, self.attempt).await.map_err(failed)
    }

    /// Lets a row depart, which must go.
    pub(super) async fn go(&self, index: u32, worker: WorkerId) -> Result<(), Stop> {
        let departure = self.depart(0, index, worker).await?;
        check(departure == Departure::Go, format!("row {index} of its worker was {departure:?}"))
    }

    pub(super) async fn write(
        &self,
        handle: usize,
        index: u32,
        worker: WorkerId,
        state: RowState,
        document: &str,
    ) -> Result<RowWritten, Stop> {
        self.store(handle)?.write_row(&self.id, index, worker, self.attempt, state, document).await.map_err(failed)
    }

    /// Writes a row, which must be done and find this halt.
    pub(super) async fn done(
        &self,
        index: u32,
        worker: WorkerId,
        state: RowState,
        is_halted: bool,
    ) -> Result<(), Stop> {
        let written = self.write(1, index, worker, state, "written").await?;
        let expected = RowWritten::Done { is_halted };
        check(
            written == expected,
            format!("row {index} as {state:?} of its worker was {written:?}, and not {expected:?}"),
        )
    }

    pub(super) async fn halt(&self, handle: usize, reason: &str) -> Result<(), Stop> {
        self.store(handle)?.halt_run(&self.id, reason).await.map_err(failed)
    }

    pub(super) async fn reopen(&self, handle: usize) -> Result<(), Stop> {
        self.store(handle)?.reopen_run(&self.id).await.map_err(failed)
    }

    pub(super) async fn retry(&self, handle: usize, indexes: &[u32]) -> Result<u32, Stop> {
        self.store(handle)?.retry_rows(&self.id, indexes).await.map_err(failed)
    }

    /// Checks whether the run is halted, and why.
    pub(super) async fn is_halted(&self, reason: Option<&str>) -> Result<(), Stop> {
        for handle in 0..self.stores.len() {
            let halted = self.stored(handle).await?.halted;
            check(halted.as_deref() == reason, format!("the run is halted for {halted:?}, and not for {reason:?}"))?;
        }
        Ok(())
    }

    /// Waits until a lease that began now is over.
    pub(super) async fn pass_lease(&self, lease: Duration) {
        let until = self.clock.elapsed().saturating_add(lease).saturating_add(self.unit / 50);
        self.clock.sleep_until(until).await;
    }

    pub(super) fn store(&self, handle: usize) -> Result<&dyn RunStore, Stop> {
        let handle = handle.checked_rem(self.stores.len()).and_then(|handle| self.stores.get(handle));
        handle.map(Arc::as_ref).ok_or_else(|| Stop::Broken("the suite has no store".to_owned()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is the last use of an error")]
pub(super) fn failed(error: StoreError) -> Stop {
    Stop::Broken(format!("the store failed: {error}"))
}
