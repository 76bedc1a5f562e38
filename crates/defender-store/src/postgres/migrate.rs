//! The schema of the database.

use std::sync::Arc;

use deadpool_postgres::Object;
use tokio_postgres::Error;

use super::connection::{Connections, Request};
use crate::{
    StoreError, StoreErrorKind,
    schema::{Found, Step, VERSION},
};

/// Name of this crate in the table `meta`.
const PROGRAM: &str = "defender-store";
/// Statements that lead from each version to the next.
const VERSIONS: &[&str] = &[
    include_str!("../schema/postgres.sql"),
    concat!(include_str!("../schema/postgres_journal.sql"), include_str!("../schema/postgres_runs.sql")),
];
/// Class of the advisory locks of migrations.
const MIGRATIONS: i32 = 0x4466_5374;
const WHAT: &str = "cannot open the store";

/// Creates or updates the schema. If it is current, nothing is written and no permission to create is needed.
pub(super) async fn migrate(connections: &Connections, schema: &str) -> Result<(), StoreError> {
    let refused =
        |why: String| StoreError::new(StoreErrorKind::Schema, format!("{WHAT}: {}: {why}", connections.name()));
    let name: Arc<str> = schema.into();
    let found = connections.run(WHAT, Look(Arc::clone(&name))).await?;
    if found.step().map_err(refused)? == Step::Nothing {
        return Ok(());
    }
    // What counts is what is found under the lock: another process may be at the same step.
    let found = connections.run(WHAT, Migrate(name)).await?;
    found.step().map_err(refused).map(|_step| ())
}

/// Looks at the schema with this name.
struct Look(Arc<str>);

impl Request for Look {
    type Done = Found;

    async fn run(&self, client: &Object, _is_repeat: bool) -> Result<Found, Error> {
        find(client, &self.0).await
    }
}

/// Updates the schema with this name under a lock, and returns what was found.
struct Migrate(Arc<str>);

impl Request for Migrate {
    type Done = Found;

    async fn run(&self, client: &Object, _is_repeat: bool) -> Result<Found, Error> {
        client.batch_execute("begin isolation level read committed").await?;
        let done = update(client, &self.0).await;
        client.batch_execute(if done.is_ok() { "commit" } else { "rollback" }).await?;
        done
    }
}

/// Runs the statements that are missing. Returns what was found.
async fn update(client: &Object, schema: &str) -> Result<Found, Error> {
    let lock = class(schema);
    client.execute("select pg_advisory_xact_lock($1, $2)", &[&MIGRATIONS, &lock]).await?;
    let found = find(client, schema).await?;
    let Ok(Step::MigrateFrom(version)) = found.step() else { return Ok(found) };
    let exists = client.query_one("select exists (select from pg_namespace where nspname = $1)", &[&schema]).await?;
    if !exists.try_get::<_, bool>(0)? {
        client.batch_execute(&format!("create schema \"{schema}\"")).await?;
    }
    let done = usize::try_from(version).unwrap_or_default();
    for statements in VERSIONS.iter().skip(done) {
        let statements = statements.replace("@schema@", &format!("\"{schema}\"")).replace("@lock@", &lock.to_string());
        client.batch_execute(&statements).await?;
    }
    let current = format!(
        "delete from \"{schema}\".meta; \
         insert into \"{schema}\".meta (program, schema_version) values ('{PROGRAM}', {VERSION})"
    );
    client.batch_execute(&current).await?;
    Ok(found)
}

/// Looks at the schema.
async fn find(client: &Object, schema: &str) -> Result<Found, Error> {
    let relations = client
        .query_one(
            "select count(*), count(*) filter (where c.relname = 'meta' and (select count(*) from pg_attribute a \
             where a.attrelid = c.oid and a.attname in ('program', 'schema_version')) = 2) \
             from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1",
            &[&schema],
        )
        .await?;
    let (all, meta): (i64, i64) = (relations.try_get(0)?, relations.try_get(1)?);
    if all == 0 {
        return Ok(Found::Nothing);
    }
    if meta == 0 {
        return Ok(Found::Foreign);
    }
    let version = format!("select schema_version::bigint from \"{schema}\".meta where program = $1");
    let row = client.query_opt(&version, &[&PROGRAM]).await?;
    row.map_or(Ok(Found::Foreign), |row| row.try_get(0).map(Found::Version))
}

/// Class of the advisory locks of a schema. A database may have several.
fn class(schema: &str) -> i32 {
    let hash = schema.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i32::from_be_bytes(hash.to_be_bytes())
}
