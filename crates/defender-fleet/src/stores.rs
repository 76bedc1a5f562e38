//! Stores of a fleet: the journal, the quota and the runs.

use std::sync::Arc;

use defender_actions::{Journal, MemoryJournal};
use defender_store::{MemoryRunStore, RunStore};
use defender_transport::{Clock, MemoryQuotaStore, QuotaStore};

/// Journal, quota and runs of a fleet.
#[derive(Clone, Debug)]
pub struct Stores {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) quota: Arc<dyn QuotaStore>,
    pub(crate) runs: Arc<dyn RunStore>,
}

impl Stores {
    /// Keeps all three in one store, such as `SqliteStore` or `PostgresStore` of `defender-store`.
    #[must_use]
    pub fn of<S: Journal + QuotaStore + RunStore + Clone + 'static>(store: S) -> Self {
        Self::new(Arc::new(store.clone()), Arc::new(store.clone()), Arc::new(store))
    }

    /// Keeps each in a store of its own.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, quota: Arc<dyn QuotaStore>, runs: Arc<dyn RunStore>) -> Self {
        Self { journal, quota, runs }
    }

    /// Keeps all three in memory, for tests: a run cannot be resumed by another process.
    #[must_use]
    pub fn memory(clock: impl Clock + Clone + 'static) -> Self {
        Self::new(
            Arc::new(MemoryJournal::new(clock.clone())),
            Arc::new(MemoryQuotaStore::new(clock.clone())),
            Arc::new(MemoryRunStore::new(clock)),
        )
    }
}
