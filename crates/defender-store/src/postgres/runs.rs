//! Runs: each change is one call of a function.

use async_trait::async_trait;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{connection::Statement, store::PostgresStore};
use crate::{
    StoreError, StoreErrorKind,
    micros::ceiling,
    runs::{
        record::{
            CreatedRun, Departure, NewRun, RowCounts, RowState, RowWritten, RunId, StoredRow, StoredRun, WorkerId,
            WorkerLease,
        },
        store::RunStore,
    },
};

#[async_trait]
impl RunStore for PostgresStore {
    async fn create_run(&self, run: &NewRun) -> Result<CreatedRun, StoreError> {
        let waves: Vec<_> = run.rows.iter().map(|row| i64::from(row.wave)).collect();
        let documents: Vec<_> = run.rows.iter().map(|row| row.document.clone()).collect();
        let statement = Statement::new("cannot create a run", &self.runs.create)
            .with(Type::TEXT, text(&run.id))
            .with(Type::TEXT, run.tenant_id.clone())
            .with(Type::TEXT, run.document.clone())
            .with(Type::INT8, run.halt_after.map(i64::from))
            .with(Type::INT8_ARRAY, waves)
            .with(Type::TEXT_ARRAY, documents)
            .told_of_repeat();
        let rows = self.connections.rows(statement).await?;
        let is_new = rows.first().map(|row| self.decoded(row.try_get(0))).transpose()?;
        Ok(if is_new == Some(true) { CreatedRun::New } else { CreatedRun::Existing })
    }

    async fn run(&self, id: &RunId) -> Result<Option<StoredRun>, StoreError> {
        let statement = Statement::new("cannot read a run", &self.runs.run).with(Type::TEXT, text(id));
        let rows = self.connections.rows(statement).await?;
        rows.first().map(|row| self.stored_run(row)).transpose()
    }

    async fn runs(&self, at_most: usize) -> Result<Vec<StoredRun>, StoreError> {
        let statement = Statement::new("cannot read the runs", &self.runs.newest).with(Type::INT8, limit(at_most));
        let rows = self.connections.rows(statement).await?;
        rows.iter().map(|row| self.stored_run(row)).collect()
    }

    async fn rows(&self, id: &RunId, from: u32, at_most: usize) -> Result<Vec<StoredRow>, StoreError> {
        let statement = Statement::new("cannot read the rows of a run", &self.runs.rows)
            .with(Type::TEXT, text(id))
            .with(Type::INT8, i64::from(from))
            .with(Type::INT8, limit(at_most));
        self.stored_rows(statement).await
    }

    async fn halt_run(&self, id: &RunId, reason: &str) -> Result<(), StoreError> {
        let statement = Statement::new("cannot halt a run", &self.runs.halt)
            .with(Type::TEXT, text(id))
            .with(Type::TEXT, reason.to_owned());
        self.connections.call(statement).await.map(drop)
    }

    async fn reopen_run(&self, id: &RunId) -> Result<(), StoreError> {
        let statement = Statement::new("cannot end the halt of a run", &self.runs.reopen)
            .with(Type::TEXT, text(id))
            .with(Type::UUID, call_id());
        self.connections.call(statement).await.map(drop)
    }

    async fn claim_rows(
        &self,
        id: &RunId,
        WorkerLease { worker, lease }: WorkerLease,
        at_most: usize,
    ) -> Result<Vec<StoredRow>, StoreError> {
        let statement = Statement::new("cannot claim rows", &self.runs.claim)
            .with(Type::TEXT, text(id))
            .with(Type::UUID, uuid(worker))
            .with(Type::INT8, ceiling(lease))
            .with(Type::INT8, limit(at_most))
            .with(Type::UUID, call_id())
            .told_of_repeat();
        self.stored_rows(statement).await
    }

    async fn renew_rows(&self, id: &RunId, WorkerLease { worker, lease }: WorkerLease) -> Result<u32, StoreError> {
        let statement = Statement::new("cannot renew leases", &self.runs.renew)
            .with(Type::TEXT, text(id))
            .with(Type::UUID, uuid(worker))
            .with(Type::INT8, ceiling(lease));
        let row = self.connections.call(statement).await?;
        self.number(&row, 0)
    }

    async fn depart_row(
        &self,
        id: &RunId,
        index: u32,
        worker: WorkerId,
        attempt: u32,
    ) -> Result<Departure, StoreError> {
        let statement = Statement::new("cannot let a row depart", &self.runs.depart)
            .with(Type::TEXT, text(id))
            .with(Type::INT8, i64::from(index))
            .with(Type::UUID, uuid(worker))
            .with(Type::INT8, i64::from(attempt));
        let row = self.connections.call(statement).await?;
        Ok(match self.decoded(row.try_get::<_, i32>(0))? {
            0 => Departure::Go,
            1 => Departure::Halted,
            _ => Departure::NotHeld,
        })
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
        let statement = Statement::new("cannot write a row", &self.runs.write)
            .with(Type::TEXT, text(id))
            .with(Type::INT8, i64::from(index))
            .with(Type::UUID, uuid(worker))
            .with(Type::INT8, i64::from(attempt))
            .with(Type::INT4, i32::from(state.as_u8()))
            .with(Type::TEXT, document.to_owned());
        let row = self.connections.call(statement).await?;
        let is_halted = self.decoded(row.try_get::<_, Option<bool>>(0))?;
        Ok(is_halted.map_or(RowWritten::NotHeld, |is_halted| RowWritten::Done { is_halted }))
    }

    async fn retry_rows(&self, id: &RunId, indexes: &[u32]) -> Result<u32, StoreError> {
        let what = "cannot plan rows again";
        let places: Vec<_> = indexes.iter().map(|index| i64::from(*index)).collect();
        let failed = Statement::new(what, &self.runs.failed).with(Type::TEXT, text(id)).with(Type::INT8_ARRAY, places);
        let failed = self.connections.rows(failed).await?;
        // The attempts are fixed before the first call: its repeat plans no row that has failed again meanwhile.
        let attempts: Result<Vec<(i64, i64)>, _> =
            failed.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect();
        let (places, attempts): (Vec<i64>, Vec<i64>) = self.decoded(attempts)?.into_iter().unzip();
        let retry = Statement::new(what, &self.runs.retry)
            .with(Type::TEXT, text(id))
            .with(Type::INT8_ARRAY, places)
            .with(Type::INT8_ARRAY, attempts)
            .told_of_repeat();
        let rows = self.connections.rows(retry).await?;
        rows.first().map_or(Ok(0), |row| self.number(row, 0))
    }
}

impl PostgresStore {
    async fn stored_rows(&self, statement: Statement) -> Result<Vec<StoredRow>, StoreError> {
        let rows = self.connections.rows(statement).await?;
        rows.iter().map(|row| self.stored_row(row)).collect()
    }

    /// Reads index, wave, state, attempt and document.
    fn stored_row(&self, row: &Row) -> Result<StoredRow, StoreError> {
        let state: i32 = self.decoded(row.try_get(2))?;
        let state = u8::try_from(state).ok().and_then(RowState::from_u8).ok_or_else(|| self.foreign())?;
        Ok(StoredRow {
            index: self.number(row, 0)?,
            wave: self.number(row, 1)?,
            state,
            attempt: self.number(row, 3)?,
            document: self.decoded(row.try_get(4))?,
        })
    }

    /// Reads id, tenant, document, limit of failures, reason of the halt, and the number of rows in each state.
    fn stored_run(&self, row: &Row) -> Result<StoredRun, StoreError> {
        let id: &str = self.decoded(row.try_get(0))?;
        let id = RunId::new(id).ok_or_else(|| self.foreign())?;
        let texts = |index: usize| self.decoded(row.try_get::<_, String>(index));
        let halt_after: Option<i64> = self.decoded(row.try_get(3))?;
        let mut counts = RowCounts::default();
        for (column, state) in (5_usize..).zip(RowState::ALL) {
            *counts.of(state) = self.number(row, column)?;
        }
        Ok(StoredRun {
            halt_after: halt_after.and_then(|most| u32::try_from(most).ok()),
            halted: self.decoded(row.try_get(4))?,
            counts,
            ..StoredRun::new(id, texts(1)?, texts(2)?)
        })
    }

    fn number(&self, row: &Row, column: usize) -> Result<u32, StoreError> {
        let number: i64 = self.decoded(row.try_get(column))?;
        u32::try_from(number).map_err(|_| self.foreign())
    }

    /// The error of a value that this crate does not write.
    fn foreign(&self) -> StoreError {
        let name = self.connections.name();
        let message = format!("cannot read a run: {name}: a value is not of this program; restore a backup");
        StoreError::new(StoreErrorKind::Storage, message)
    }
}

fn text(id: &RunId) -> String {
    id.as_str().to_owned()
}

/// Returns the id of a call, which its repeat after a lost connection has too.
fn call_id() -> Uuid {
    Uuid::from_u128(fastrand::u128(..))
}

fn uuid(worker: WorkerId) -> Uuid {
    Uuid::from_u128(worker.as_u128())
}

fn limit(at_most: usize) -> i64 {
    i64::try_from(at_most).unwrap_or(i64::MAX)
}
