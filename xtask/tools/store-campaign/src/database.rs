//! The database of a seed, and its faults.

use std::{path::PathBuf, time::Duration};

use defender_actions::{Entry, EntryKey, Journal, JournalError};
use defender_store::{PostgresStore, SqliteStore, StoreError};
use fastrand::Rng;
use postgres_suite::server::Server;
use xtask::Failure;

use crate::process::broken;

/// Engine of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub(crate) fn of(name: &str) -> Result<Self, String> {
        match name {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            _ => Err("not an engine".to_owned()),
        }
    }
}

pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres(Box<Server>),
}

impl Database {
    pub(crate) fn start(engine: Engine, folder: &std::path::Path) -> Result<Self, Failure> {
        Ok(match engine {
            Engine::Sqlite => Self::Sqlite(folder.join("store.db")),
            Engine::Postgres => Self::Postgres(Box::new(Server::start()?)),
        })
    }

    /// URL or file, for a worker.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(server) => server.url(server.port),
        }
    }

    /// Kills the server and starts it again, or locks the file for a while.
    pub(crate) fn disturb(&mut self, rng: &mut Rng) -> Result<(), Failure> {
        match self {
            Self::Postgres(server) => {
                server.kill()?;
                std::thread::sleep(Duration::from_millis(rng.u64(0..700)));
                server.launch()
            }
            Self::Sqlite(path) => {
                let broken = broken("the lock of the file");
                let file = rusqlite::Connection::open(path).map_err(|error| broken(&error))?;
                file.busy_timeout(Duration::from_secs(10)).map_err(|error| broken(&error))?;
                file.execute_batch("begin immediate").map_err(|error| broken(&error))?;
                std::thread::sleep(Duration::from_millis(rng.u64(0..1_500)));
                file.execute_batch("rollback").map_err(|error| broken(&error))
            }
        }
    }
}

/// The store at an address.
pub(crate) enum Store {
    Sqlite(SqliteStore),
    Postgres(Box<PostgresStore>),
}

impl Store {
    pub(crate) async fn connect(address: &str) -> Result<Self, StoreError> {
        if address.starts_with("postgres") {
            PostgresStore::connect(address).await.map(|store| Self::Postgres(Box::new(store)))
        } else {
            SqliteStore::open(address).await.map(Self::Sqlite)
        }
    }

    pub(crate) async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        match self {
            Self::Sqlite(store) => store.entry(key).await,
            Self::Postgres(store) => store.entry(key).await,
        }
    }
}
