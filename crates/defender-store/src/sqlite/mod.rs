//! The store in an SQLite file.
//!
//! One thread for each open store has the connection. It runs all requests that wait in one transaction, so that they share one flush of
//! the disk, and responds once the transaction is durable. Several processes take turns by the lock of the file.

mod failure;
mod gate;
mod journal;
mod open;
mod quota;
mod runs;
mod writer;

use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use defender_transport::{
    Clock, EndedPermit, PermitRequest, Permits, QuotaStore, QuotaStoreError, SystemClock, extensions::QuotaKey,
};

use self::writer::Writer;
use crate::{
    StoreError,
    quota::{Ask, Report},
};

/// Store in an SQLite file, which several processes of one host can share.
///
/// The file is opened in WAL mode with `synchronous = FULL`: what a method has returned survives the end of the process and a power
/// failure. The file must be on a local disk. A process that opens the file by other means than SQLite, as to copy it, drops the locks of
/// its stores as it closes the file. A clone uses the same connection.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("defender-store-example-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("responder.db");
/// use defender_store::SqliteStore;
///
/// let store = SqliteStore::open(path).await?;
/// # drop(store);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    writer: Arc<Writer>,
}

impl SqliteStore {
    /// Opens the file, and creates it if it is missing.
    ///
    /// # Errors
    ///
    /// The file cannot be opened or written, is locked, or has a schema that is newer or another program's.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with_clock(path, SystemClock::new()).await
    }

    /// Opens the file with another source of the time of day. All processes that share the file need the same time.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_with_clock(path: impl AsRef<Path>, clock: impl Clock + 'static) -> Result<Self, StoreError> {
        let writer = Writer::start(path.as_ref().to_owned(), Box::new(clock)).await?;
        Ok(Self { writer: Arc::new(writer) })
    }

    /// Deletes the slots of all keys that no limit counts any more, and returns their number.
    ///
    /// The slots of a key are also deleted as it is used, so that this is of use only for keys that are used no longer.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub async fn prune(&self) -> Result<u64, StoreError> {
        self.writer.run("cannot delete old slots", quota::prune).await
    }
}

#[async_trait]
impl QuotaStore for SqliteStore {
    async fn reserve(&self, request: &PermitRequest<'_>) -> Result<Permits, QuotaStoreError> {
        let ask = Ask::new(request);
        Ok(self.writer.run("cannot reserve permits", move |db, now| quota::reserve(db, &ask, now)).await?)
    }

    async fn release(&self, key: &QuotaKey, ended: &[EndedPermit]) -> Result<(), QuotaStoreError> {
        let report = Report::new(key, ended);
        Ok(self.writer.run("cannot release permits", move |db, now| quota::release(db, &report, now)).await?)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.writer.path()).finish_non_exhaustive()
    }
}
