//! Runs: each change is one call of a function.

use async_trait::async_trait;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{
    connection::{Repeated, Value},
    store::PostgresStore,
};
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
        let (id, halt_after) = (run.id.as_str(), run.halt_after.map(i64::from));
        let waves: Vec<_> = run.rows.iter().map(|row| i64::from(row.wave)).collect();
        let documents: Vec<_> = run.rows.iter().map(|row| row.document.as_str()).collect();
        let types = [Type::TEXT, Type::TEXT, Type::TEXT, Type::INT8, Type::INT8_ARRAY, Type::TEXT_ARRAY, Type::BOOL];
        let of = |is_repeat: &'static bool| -> [Value<'_>; 7] {
            [&id, &run.tenant_id, &run.document, &halt_after, &waves, &documents, is_repeat]
        };
        let values = Repeated { first: &of(&false), again: &of(&true) };
        let statement = &self.runs.create;
        let rows = self.connections.rows("cannot create a run", statement, &types, values).await?;
        let is_new = rows.first().map(|row| self.decoded(row.try_get(0))).transpose()?;
        Ok(if is_new == Some(true) { CreatedRun::New } else { CreatedRun::Existing })
    }

    async fn run(&self, id: &RunId) -> Result<Option<StoredRun>, StoreError> {
        let id = id.as_str();
        let values: [Value<'_>; 1] = [&id];
        let values = Repeated::same(&values);
        let rows = self.connections.rows("cannot read a run", &self.runs.run, &[Type::TEXT], values).await?;
        rows.first().map(|row| self.stored_run(row)).transpose()
    }

    async fn runs(&self, at_most: usize) -> Result<Vec<StoredRun>, StoreError> {
        let values: [Value<'_>; 1] = [&limit(at_most)];
        let values = Repeated::same(&values);
        let rows = self.connections.rows("cannot read the runs", &self.runs.newest, &[Type::INT8], values).await?;
        rows.iter().map(|row| self.stored_run(row)).collect()
    }

    async fn rows(&self, id: &RunId, from: u32, at_most: usize) -> Result<Vec<StoredRow>, StoreError> {
        let id = id.as_str();
        let values: [Value<'_>; 3] = [&id, &i64::from(from), &limit(at_most)];
        let types = [Type::TEXT, Type::INT8, Type::INT8];
        self.stored_rows("cannot read the rows of a run", &self.runs.rows, &types, &values).await
    }

    async fn halt_run(&self, id: &RunId, reason: &str) -> Result<(), StoreError> {
        let (id, types) = (id.as_str(), [Type::TEXT, Type::TEXT]);
        self.connections.call("cannot halt a run", &self.runs.halt, &types, &[&id, &reason]).await.map(drop)
    }

    async fn reopen_run(&self, id: &RunId) -> Result<(), StoreError> {
        let id = id.as_str();
        let what = "cannot end the halt of a run";
        self.connections.call(what, &self.runs.reopen, &[Type::TEXT], &[&id]).await.map(drop)
    }

    async fn claim_rows(
        &self,
        id: &RunId,
        WorkerLease { worker, lease }: WorkerLease,
        at_most: usize,
    ) -> Result<Vec<StoredRow>, StoreError> {
        let (id, worker) = (id.as_str(), Uuid::from_u128(worker.as_u128()));
        let values: [Value<'_>; 4] = [&id, &worker, &ceiling(lease), &limit(at_most)];
        let types = [Type::TEXT, Type::UUID, Type::INT8, Type::INT8];
        self.stored_rows("cannot claim rows", &self.runs.claim, &types, &values).await
    }

    async fn renew_rows(&self, id: &RunId, WorkerLease { worker, lease }: WorkerLease) -> Result<u32, StoreError> {
        let (id, worker) = (id.as_str(), Uuid::from_u128(worker.as_u128()));
        let values: [Value<'_>; 3] = [&id, &worker, &ceiling(lease)];
        let types = [Type::TEXT, Type::UUID, Type::INT8];
        let row = self.connections.call("cannot renew leases", &self.runs.renew, &types, &values).await?;
        self.number(&row, 0)
    }

    async fn depart_row(&self, id: &RunId, index: u32, worker: WorkerId) -> Result<Departure, StoreError> {
        let (id, worker) = (id.as_str(), Uuid::from_u128(worker.as_u128()));
        let values: [Value<'_>; 3] = [&id, &i64::from(index), &worker];
        let types = [Type::TEXT, Type::INT8, Type::UUID];
        let row = self.connections.call("cannot let a row depart", &self.runs.depart, &types, &values).await?;
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
        state: RowState,
        document: &str,
    ) -> Result<RowWritten, StoreError> {
        let (id, worker) = (id.as_str(), Uuid::from_u128(worker.as_u128()));
        let values: [Value<'_>; 5] = [&id, &i64::from(index), &worker, &i32::from(state.as_u8()), &document];
        let types = [Type::TEXT, Type::INT8, Type::UUID, Type::INT4, Type::TEXT];
        let row = self.connections.call("cannot write a row", &self.runs.write, &types, &values).await?;
        let is_halted = self.decoded(row.try_get::<_, Option<bool>>(0))?;
        Ok(is_halted.map_or(RowWritten::NotHeld, |is_halted| RowWritten::Done { is_halted }))
    }

    async fn retry_rows(&self, id: &RunId, indexes: &[u32]) -> Result<u32, StoreError> {
        let (id, places) = (id.as_str(), indexes.iter().map(|index| i64::from(*index)).collect::<Vec<_>>());
        let what = "cannot plan rows again";
        let values: [Value<'_>; 2] = [&id, &places];
        let (failed, types) = (&self.runs.failed, [Type::TEXT, Type::INT8_ARRAY]);
        let failed = self.connections.rows(what, failed, &types, Repeated::same(&values)).await?;
        // The attempts are fixed before the first call: its repeat plans no row that has failed again meanwhile.
        let attempts: Result<Vec<(i64, i64)>, _> =
            failed.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect();
        let (places, attempts): (Vec<i64>, Vec<i64>) = self.decoded(attempts)?.into_iter().unzip();
        let types = [Type::TEXT, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::BOOL];
        let of = |is_repeat: &'static bool| -> [Value<'_>; 4] { [&id, &places, &attempts, is_repeat] };
        let values = Repeated { first: &of(&false), again: &of(&true) };
        let rows = self.connections.rows(what, &self.runs.retry, &types, values).await?;
        rows.first().map_or(Ok(0), |row| self.number(row, 0))
    }
}

impl PostgresStore {
    async fn stored_rows(
        &self,
        what: &str,
        statement: &str,
        types: &[Type],
        values: &[Value<'_>],
    ) -> Result<Vec<StoredRow>, StoreError> {
        let rows = self.connections.rows(what, statement, types, Repeated::same(values)).await?;
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

fn limit(at_most: usize) -> i64 {
    i64::try_from(at_most).unwrap_or(i64::MAX)
}
