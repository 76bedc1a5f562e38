//! The journal in a file: one line of JSON for each change.

mod line;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use defender_model::MachineAction;
use defender_transport::{Clock, SystemClock};

use self::{
    line::{Line, replay},
    writer::Writer,
};
use super::{
    Journal,
    entry::{Entry, EntryKey, Holder, Intended, JournalScope, Settled, Settlement, Unsettled},
    error::JournalError,
    table::Table,
};
use crate::Intent;

/// Journal in a file of one process: one line of JSON for each intent, outcome and end.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use defender_actions::{DefenderClient, JsonlJournal, auth::ClientSecretCredential};
/// use futures_util::StreamExt;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let defender = DefenderClient::builder()
///     .credential(ClientSecretCredential::from_env()?)
///     .journal(Arc::new(JsonlJournal::open("actions.jsonl")?))
///     .build()?;
///
/// // What an earlier process left: searched for, and never sent again.
/// let mut pending = defender.recover_pending().stream();
/// while let Some(recovered) = pending.next().await {
///     println!("{:?}", recovered?.outcome);
/// }
/// # Ok(())
/// # }
/// ```
///
/// | property | value |
/// |---|---|
/// | durability | each line is synced to the disk before the request is sent; concurrent lines share a sync |
/// | processes | one: the file is locked while it is open |
/// | a crash inside a line | the torn line is dropped at the next opening; its request was never sent |
/// | any other line that cannot be read | the file is not opened, and the error names the line |
/// | mode of a new file | 0600 on Unix: comments and the arguments of live response may be confidential |
/// | size | grows by about 2 KiB an action, also in memory while it is open; begin a new file when no entry is pending |
///
/// Entries of an earlier process can be recovered at once, since no other process has the file. The lines are an audit record as well:
/// time, actor, ticket, tenant, machine, action and outcome.
#[derive(Clone)]
pub struct JsonlJournal(Arc<Inner>);

struct Inner {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    table: Mutex<Table>,
    writer: Arc<Writer>,
}

impl JsonlJournal {
    /// Opens or creates a journal, with the clock of the system.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, is open in another process, or has a line that is not of a journal.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::open_with_clock(path, SystemClock::new())
    }

    /// Opens or creates a journal. The times of its lines and the leases of its entries are of `clock`.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with_clock(path: impl AsRef<Path>, clock: impl Clock + 'static) -> Result<Self, JournalError> {
        let path = path.as_ref().to_owned();
        let failed = |what: &str| JournalError::new(format!("journal {}: {what}", path.display()));
        let cannot = |source: io::Error| failed(&format!("cannot be opened: {source}")).caused_by(source);
        let mut file = options().open(&path).map_err(cannot)?;
        file.try_lock().map_err(|source| match source {
            TryLockError::WouldBlock => failed("is open in another process; use one journal a process"),
            TryLockError::Error(source) => {
                failed(&format!("cannot be locked: {source}; choose a file on a local disk")).caused_by(source)
            }
        })?;
        let (table, end) = replay(&mut file).map_err(|what| failed(&what))?;
        file.set_len(end).and_then(|()| sync_folder(&path)).map_err(cannot)?;
        let (table, clock, writer) = (Mutex::new(table), Arc::new(clock), Arc::new(Writer::new(file)));
        Ok(Self(Arc::new(Inner { path, clock, table, writer })))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once the lines that were queued up to now are on the disk.
    async fn sync(&self) -> Result<(), JournalError> {
        let synced = self.0.writer.sync().await;
        synced.map_err(|what| JournalError::new(format!("journal {}: {what}", self.0.path.display())))
    }

    /// Returns the text of a line, before anything changes.
    fn text(&self, line: &Line<'_>) -> Result<Vec<u8>, JournalError> {
        let text = line.text(self.0.clock.now());
        text.map_err(|source| JournalError::new("the entry cannot be written as JSON").caused_by(source))
    }

    /// Queues a line. The order of the lines is the order of the changes, since the caller holds the table.
    fn queue(&self, text: &[u8]) {
        self.0.writer.queue(text);
    }
}

#[async_trait]
impl Journal for JsonlJournal {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        let until = self.0.clock.elapsed().saturating_add(lease);
        let text = self.text(&Line::Intended { key: key.into(), intent: intent.into() })?;
        let intended = {
            let mut table = self.table();
            let intended = table.intend(key, intent, Some((holder, until)));
            if intended == Intended::New {
                self.queue(&text);
            }
            intended
        };
        // Also an entry that another call has just written must be on the disk.
        self.sync().await?;
        Ok(intended)
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        let text = self.text(&Line::Settled { key: key.into(), outcome: outcome.into() })?;
        let settled = {
            let mut table = self.table();
            let is_new = table.outcome(key) != Some(outcome);
            let settled = table.settle(key, Some(holder), outcome);
            if settled == Settled::Done && is_new {
                self.queue(&text);
            }
            settled
        };
        self.sync().await?;
        Ok(settled)
    }

    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError> {
        let text = self.text(&Line::Finished { key: key.into(), action: last.into() })?;
        {
            let mut table = self.table();
            if table.finish(key, last) {
                self.queue(&text);
            }
        }
        self.sync().await
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        let now = self.0.clock.elapsed();
        Ok(self.table().claim(scope, (holder, now.saturating_add(lease)), now, at_most))
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        Ok(self.table().entry(key))
    }
}

impl fmt::Debug for JsonlJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonlJournal").field("path", &self.0.path).finish_non_exhaustive()
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// Syncs the folder of a file, so that a new file survives a power failure. Other systems than Unix do it by themselves.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
