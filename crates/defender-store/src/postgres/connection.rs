//! The connections, and one request on one of them.

use std::{future::Future, pin::Pin, time::Duration};

use deadpool_postgres::{HookError, Object, Pool, PoolError};
use tokio_postgres::{
    Error, Row,
    types::{ToSql, Type},
};

use super::failure::{Failure, is_lost};
use crate::StoreError;

/// A parameter of a statement.
pub(super) type Value<'a> = &'a (dyn ToSql + Sync);

/// Parameters of a statement, and those of its repeat after a lost connection.
#[derive(Clone, Copy)]
pub(super) struct Repeated<'a> {
    pub(super) first: &'a [Value<'a>],
    pub(super) again: &'a [Value<'a>],
}

impl<'a> Repeated<'a> {
    pub(super) const fn same(values: &'a [Value<'a>]) -> Self {
        Self { first: values, again: values }
    }
}

/// A request on a connection.
pub(super) type Request<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The connections of a store.
pub(super) struct Connections {
    pool: Pool,
    /// Name of the database in errors.
    name: String,
    /// Quoted name of the schema.
    schema: String,
    timeout: Duration,
}

impl Connections {
    pub(super) fn new(pool: Pool, name: String, schema: String, timeout: Duration) -> Self {
        Self { pool, name, schema, timeout }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    pub(super) fn unreadable(&self, error: Error) -> StoreError {
        Failure::Database(error).describe("cannot read a response", &self.name)
    }

    /// Calls a function that returns one row and may be repeated.
    pub(super) async fn call(
        &self,
        what: &str,
        statement: &str,
        types: &[Type],
        values: &[Value<'_>],
    ) -> Result<Row, StoreError> {
        let attempt = |_| async {
            let lent = self.lend().await?;
            let done = match lent.client().prepare_typed_cached(statement, types).await {
                Ok(prepared) => lent.client().query_one(&prepared, values).await,
                Err(error) => Err(error),
            };
            lent.finish(done)
        };
        self.twice(what, attempt).await
    }

    /// Runs a statement that returns any number of rows and may be repeated.
    pub(super) async fn rows(
        &self,
        what: &str,
        statement: &str,
        types: &[Type],
        values: Repeated<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let attempt = |is_repeat| async move {
            let lent = self.lend().await?;
            let values = if is_repeat { values.again } else { values.first };
            let done = match lent.client().prepare_typed_cached(statement, types).await {
                Ok(prepared) => lent.client().query(&prepared, values).await,
                Err(error) => Err(error),
            };
            lent.finish(done)
        };
        self.twice(what, attempt).await
    }

    /// Runs a request that may be repeated.
    pub(super) async fn run<T: Send>(
        &self,
        what: &str,
        request: impl for<'a> Fn(&'a Object) -> Request<'a, T> + Send + Sync,
    ) -> Result<T, StoreError> {
        let attempt = |_| async {
            let lent = self.lend().await?;
            let done = request(lent.client()).await;
            lent.finish(done)
        };
        self.twice(what, attempt).await
    }

    /// Makes an attempt, and another one if the connection was lost, as after a restart of the server. The argument is
    /// true for the second attempt.
    async fn twice<T, R>(&self, what: &str, attempt: impl Fn(bool) -> R + Send + Sync) -> Result<T, StoreError>
    where
        T: Send,
        R: Future<Output = Result<T, Failure>> + Send,
    {
        let attempts = async {
            match attempt(false).await {
                Err(Failure::Database(error)) if is_lost(&error) => {
                    // The others were made before the restart too.
                    self.pool.retain(|_, _| false);
                    attempt(true).await
                }
                done => done,
            }
        };
        let done = tokio::time::timeout(self.timeout, attempts).await;
        let done = done.unwrap_or(Err(Failure::Timeout(self.timeout)));
        done.map_err(|failure| failure.describe(what, &self.name))
    }

    async fn lend(&self) -> Result<Lent, Failure> {
        let connection = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => Failure::Connect(error),
            PoolError::PostCreateHook(HookError::Backend(error)) => Failure::Database(error),
            other => Failure::Pool(other.to_string()),
        });
        connection.map(|connection| Lent { connection: Some(connection) })
    }
}

/// A connection that is closed unless its request ends: a later request would wait for the response of this one.
struct Lent {
    /// `None` once it was given back.
    connection: Option<Object>,
}

impl Lent {
    #[expect(clippy::expect_used, reason = "`finish` takes both the connection and the value that lends it")]
    fn client(&self) -> &Object {
        self.connection.as_ref().expect("the connection is lent")
    }

    /// Gives the connection back if it can be used again.
    fn finish<T>(mut self, done: Result<T, Error>) -> Result<T, Failure> {
        let is_usable = done.as_ref().err().is_none_or(|error| error.as_db_error().is_some() && !is_lost(error));
        if is_usable {
            drop(self.connection.take());
        }
        done.map_err(Failure::Database)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}
