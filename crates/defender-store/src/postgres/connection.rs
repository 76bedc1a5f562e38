//! The connections, and one request on one of them.

use std::{future::Future, sync::Arc, time::Duration};

use deadpool_postgres::{HookError, Object, Pool, PoolError};
use tokio::{runtime::Handle, task::JoinSet};
use tokio_postgres::{
    Error, Row,
    types::{ToSql, Type},
};

use super::failure::{Failure, is_lost};
use crate::StoreError;

/// A statement with its parameters, which a task of its own runs.
pub(super) struct Statement {
    /// Beginning of its errors, such as `cannot write a row`.
    what: &'static str,
    text: Arc<str>,
    types: Vec<Type>,
    values: Vec<Box<dyn ToSql + Send + Sync>>,
    is_told_of_repeat: bool,
}

impl Statement {
    pub(super) fn new(what: &'static str, text: &Arc<str>) -> Self {
        Self { what, text: Arc::clone(text), types: Vec::new(), values: Vec::new(), is_told_of_repeat: false }
    }

    /// Adds a parameter.
    pub(super) fn with(mut self, kind: Type, value: impl ToSql + Send + Sync + 'static) -> Self {
        self.types.push(kind);
        self.values.push(Box::new(value));
        self
    }

    /// Adds the last parameter, a boolean: true if this is the repeat after a lost connection.
    pub(super) fn told_of_repeat(mut self) -> Self {
        self.types.push(Type::BOOL);
        self.is_told_of_repeat = true;
        self
    }
}

/// A request on a connection, which may be repeated on another one.
pub(super) trait Request: Send + Sync + 'static {
    type Done: Send + 'static;

    fn run(&self, client: &Object, is_repeat: bool) -> impl Future<Output = Result<Self::Done, Error>> + Send;
}

impl Request for Statement {
    type Done = Vec<Row>;

    async fn run(&self, client: &Object, is_repeat: bool) -> Result<Vec<Row>, Error> {
        let prepared = client.prepare_typed_cached(&self.text, &self.types).await?;
        let mut values: Vec<&(dyn ToSql + Sync)> = Vec::with_capacity(self.types.len());
        values.extend(self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)));
        if self.is_told_of_repeat {
            values.push(&is_repeat);
        }
        client.query(&prepared, &values).await
    }
}

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
    pub(super) async fn call(&self, statement: Statement) -> Result<Row, StoreError> {
        let what = statement.what;
        let mut rows = self.rows(statement).await?;
        rows.pop().ok_or_else(|| Failure::NoRow.describe(what, &self.name))
    }

    /// Runs a statement that returns any number of rows and may be repeated.
    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        self.run(statement.what, statement).await
    }

    /// Makes a request, and makes it again if the connection was lost, as after a restart of the server.
    ///
    /// It runs in a task of its own: a caller that does not poll its future would keep one of the few connections from all others.
    pub(super) async fn run<R: Request>(&self, what: &str, request: R) -> Result<R::Done, StoreError> {
        let describe = |failure: Failure| failure.describe(what, &self.name);
        let runtime = Handle::try_current().map_err(|error| describe(Failure::Runtime(error.to_string())))?;
        let (pool, timeout) = (self.pool.clone(), self.timeout);
        let attempts = async move {
            match attempt(&pool, &request, false).await {
                Err(Failure::Database(error)) if is_lost(&error) => {
                    // The others were made before the restart too.
                    pool.retain(|_, _| false);
                    attempt(&pool, &request, true).await
                }
                done => done,
            }
        };
        let limited = async move {
            let done = tokio::time::timeout(timeout, attempts).await;
            done.unwrap_or(Err(Failure::Timeout(timeout)))
        };
        // If the caller drops its future, this set ends the task, which closes the connection.
        let mut task = JoinSet::new();
        task.spawn_on(limited, &runtime);
        let done = match task.join_next().await {
            Some(Ok(done)) => done,
            Some(Err(error)) => Err(Failure::Runtime(error.to_string())),
            None => Err(Failure::Runtime("the task was lost".to_owned())),
        };
        done.map_err(describe)
    }
}

/// Makes a request on one of the connections.
async fn attempt<R: Request>(pool: &Pool, request: &R, is_repeat: bool) -> Result<R::Done, Failure> {
    let connection = pool.get().await.map_err(|error| match error {
        PoolError::Backend(error) => Failure::Connect(error),
        PoolError::PostCreateHook(HookError::Backend(error)) => Failure::Database(error),
        other => Failure::Pool(other.to_string()),
    })?;
    let lent = Lent { connection: Some(connection) };
    let done = request.run(lent.client(), is_repeat).await;
    lent.finish(done)
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
