//! The store, and its requests.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use defender_transport::{EndedPermit, PermitRequest, Permits, QuotaStore, QuotaStoreError, extensions::QuotaKey};
use tokio_postgres::{Error, types::Type};
use uuid::Uuid;

use super::{
    connection::{Connections, Statement},
    statements::{JournalStatements, RunStatements},
};
use crate::{
    StoreError,
    quota::{Ask, Outcome, Report, permits},
};

/// Store in PostgreSQL 13 or newer, which processes of many hosts can share.
///
/// All times are taken from the server's clock. A clone uses the same connections.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use defender_store::PostgresStore;
///
/// let store = PostgresStore::connect(&std::env::var("DATABASE_URL")?).await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    pub(super) connections: Arc<Connections>,
    pub(super) journal: JournalStatements,
    pub(super) runs: RunStatements,
    reserve: Arc<str>,
    release: Arc<str>,
    prune: Arc<str>,
}

impl PostgresStore {
    pub(super) fn new(connections: Connections) -> Self {
        let schema = connections.schema();
        let reserve = format!("select granted, retry_after from {schema}.quota_reserve($1, $2, $3, $4, $5)");
        let release = format!("select {schema}.quota_release($1, $2, $3, $4, $5)");
        let prune = format!(
            "with gone as (delete from {schema}.quota_slot s using {schema}.quota_key q \
             where q.id = s.key and s.base <= clock_timestamp() - \
             (select coalesce(max(l.per), 0) from {schema}.quota_limit l where l.key = q.id) * interval '1 microsecond' \
             returning 1) select count(*) from gone"
        );
        let (reserve, release, prune) = (reserve.into(), release.into(), prune.into());
        let (journal, runs) = (JournalStatements::new(schema), RunStatements::new(schema));
        Self { connections: Arc::new(connections), journal, runs, reserve, release, prune }
    }

    pub(super) fn decoded<T>(&self, decoded: Result<T, Error>) -> Result<T, StoreError> {
        decoded.map_err(|error| self.connections.unreadable(error))
    }

    /// Deletes the slots of all keys that no limit counts any more, and returns their number.
    ///
    /// The slots of a key are also deleted as it is used, so that this is of use only for keys that are used no longer.
    ///
    /// # Errors
    ///
    /// The server does not respond, or refuses.
    pub async fn prune(&self) -> Result<u64, StoreError> {
        let row = self.connections.call(Statement::new("cannot delete old slots", &self.prune)).await?;
        let count: i64 = row.try_get(0).map_err(|error| self.connections.unreadable(error))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

#[async_trait]
impl QuotaStore for PostgresStore {
    async fn reserve(&self, request: &PermitRequest<'_>) -> Result<Permits, QuotaStoreError> {
        let ask = Ask::new(request);
        let ids: Vec<_> = ask.permits.iter().copied().map(Uuid::from_u128).collect();
        let (calls, pers): (Vec<_>, Vec<_>) = ask.limits.iter().map(|limit| (limit.calls, limit.per)).unzip();
        let statement = Statement::new("cannot reserve permits", &self.reserve)
            .with(Type::TEXT, ask.key)
            .with(Type::UUID_ARRAY, ids)
            .with(Type::INT8_ARRAY, calls)
            .with(Type::INT8_ARRAY, pers)
            .with(Type::INT8, ask.hold);
        let row = self.connections.call(statement).await?;
        let decoded = (|| Ok((row.try_get::<_, i32>(0)?, row.try_get::<_, Option<i64>>(1)?)))();
        let (granted, retry_after) = decoded.map_err(|error| self.connections.unreadable(error))?;
        Ok(permits(usize::try_from(granted).unwrap_or_default(), retry_after))
    }

    async fn release(&self, key: &QuotaKey, ended: &[EndedPermit]) -> Result<(), QuotaStoreError> {
        let report = Report::new(key, ended);
        let ids: Vec<_> = report.ended.iter().map(|ended| Uuid::from_u128(ended.permit)).collect();
        let ages: Vec<_> = report.ended.iter().map(|ended| ended.ago).collect();
        let (outcomes, pauses): (Vec<_>, Vec<_>) = report.ended.iter().map(|ended| number(ended.outcome)).unzip();
        let statement = Statement::new("cannot release permits", &self.release)
            .with(Type::TEXT, report.key)
            .with(Type::UUID_ARRAY, ids)
            .with(Type::INT2_ARRAY, outcomes)
            .with(Type::INT8_ARRAY, ages)
            .with(Type::INT8_ARRAY, pauses);
        self.connections.call(statement).await?;
        Ok(())
    }
}

/// An outcome as the function takes it: its number, and the pause after a 429.
fn number(outcome: Outcome) -> (i16, Option<i64>) {
    match outcome {
        Outcome::NeverSent => (0, None),
        Outcome::Unanswered => (1, None),
        Outcome::Answered => (2, None),
        Outcome::Refused(pause) => (3, Some(pause)),
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresStore").field(&self.connections.name()).finish()
    }
}
