//! The journal in memory.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use defender_model::MachineAction;
use defender_transport::Clock;

use super::{
    Journal,
    entry::{Entry, EntryKey, Holder, Intended, JournalScope, Settled, Settlement, Unsettled},
    error::JournalError,
    table::Table,
};
use crate::Intent;

/// Journal in memory, for tests, and the reference for other journals. Nothing of it survives the process.
#[derive(Clone)]
pub struct MemoryJournal {
    clock: Arc<dyn Clock>,
    table: Arc<Mutex<Table>>,
}

impl MemoryJournal {
    /// Creates an empty journal. Leases end on `clock`.
    #[must_use]
    pub fn new(clock: impl Clock + 'static) -> Self {
        Self { clock: Arc::new(clock), table: Arc::default() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        let until = self.clock.elapsed().saturating_add(lease);
        Ok(self.table().intend(key, intent, Some((holder, until))))
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        Ok(self.table().settle(key, Some(holder), outcome))
    }

    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError> {
        self.table().finish(key, last);
        Ok(())
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        let now = self.clock.elapsed();
        Ok(self.table().claim(scope, (holder, now.saturating_add(lease)), now, at_most))
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        Ok(self.table().entry(key))
    }
}

impl fmt::Debug for MemoryJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryJournal").finish_non_exhaustive()
    }
}
