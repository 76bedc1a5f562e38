//! Opening of the file, and its schema.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, Error, ErrorCode, OpenFlags, TransactionBehavior};

use super::failure::failure;
use crate::{
    StoreError, StoreErrorKind,
    schema::{Found, Step, VERSION},
};

/// `application_id` of the file: `DfSt`.
const APPLICATION: i64 = 0x4466_5374;
/// Statements that lead from each version to the next.
const VERSIONS: &[&str] = &[
    include_str!("../schema/sqlite.sql"),
    concat!(include_str!("../schema/sqlite_journal.sql"), include_str!("../schema/sqlite_runs.sql")),
];
/// Number of waits for the lock of the file, of a millisecond each.
const WAITS: i32 = 5_000;

/// Opens the file, creates it if it is missing, and brings its schema to the current version.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let failed = |error: Error| failure("cannot open the store", path, &Arc::new(error));
    create(path).map_err(|error| failed(Error::SqliteFailure(cannot_open(), Some(error.to_string()))))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    prepare(&mut connection).map_err(failed)?;
    // A file of another program stays as it is, its journal mode too.
    step(&connection).map_err(failed)?.map_err(|why| refused(path, &why))?;
    wal(&connection).map_err(failed)?.then_some(()).ok_or_else(|| {
        let why = "the file system does not support WAL; use a local disk";
        StoreError::new(
            StoreErrorKind::Configuration,
            format!("cannot open the store: SQLite at {}: {why}", path.display()),
        )
    })?;
    // Another process may be at the same step: what counts is what is found under the lock.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    match step(&transaction).map_err(failed)?.map_err(|why| refused(path, &why))? {
        Step::Nothing => {}
        Step::MigrateFrom(version) => {
            let done = usize::try_from(version).unwrap_or_default();
            for statements in VERSIONS.iter().skip(done) {
                transaction.execute_batch(statements).map_err(failed)?;
            }
            transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
            transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
        }
    }
    transaction.commit().map_err(failed)?;
    Ok(connection)
}

/// Sets what holds for one connection only.
fn prepare(connection: &mut Connection) -> Result<(), Error> {
    connection.busy_handler(Some(wait_for_lock))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "on")?;
    connection.pragma_update(None, "trusted_schema", "off")?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Creates an empty file that only this user can read, if it is missing.
///
/// A file that exists is not opened here: POSIX drops all locks of a process on a file as it closes any descriptor of it, and those of
/// its other connections are among them. Without them, another process takes the WAL away under a connection.
fn create(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        // The descriptor stays open: another thread may have a connection to the new file already.
        created => created.map(std::mem::forget),
    }
}

fn cannot_open() -> rusqlite::ffi::Error {
    rusqlite::ffi::Error { code: ErrorCode::CannotOpen, extended_code: rusqlite::ffi::SQLITE_CANTOPEN }
}

/// Waits a little for the lock of another process, and returns false after some seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the thread of the writer waits for another process, which no clock can advance"
)]
fn wait_for_lock(waits: i32) -> bool {
    std::thread::sleep(std::time::Duration::from_millis(1));
    waits < WAITS
}

/// Switches to WAL. Returns false if the file system does not support it.
fn wal(connection: &Connection) -> Result<bool, Error> {
    let mut waits = 0;
    loop {
        // SQLite does not call the handler if another process is switching.
        match connection.query_row("pragma journal_mode = wal", [], |row| row.get::<_, String>(0)) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && wait_for_lock(waits) => {
                waits += 1;
            }
            mode => return Ok(mode?.eq_ignore_ascii_case("wal")),
        }
    }
}

/// Looks at the schema of the file.
fn step(connection: &Connection) -> Result<Result<Step, String>, Error> {
    let number = |statement: &str| connection.query_row(statement, [], |row| row.get::<_, i64>(0));
    let version = number("pragma user_version")?;
    let found = match number("pragma application_id")? {
        APPLICATION => Found::Version(version),
        0 if version == 0 && number("select count(*) from sqlite_schema")? == 0 => Found::Nothing,
        _ => Found::Foreign,
    };
    Ok(found.step())
}

fn refused(path: &Path, why: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Schema, format!("cannot open the store: SQLite at {}: {why}", path.display()))
}
