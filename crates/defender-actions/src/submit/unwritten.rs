//! Outcomes that the journal did not take.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    journal::entry::{EntryKey, Holder, Settlement},
    submit::expected::Expected,
};

/// Outcomes of this process that are not in the journal. The next [`recover_pending`](crate::DefenderClient::recover_pending) writes
/// them: this process knows them, and need not search.
#[derive(Debug, Default)]
pub(crate) struct UnwrittenOutcomes(Mutex<BTreeMap<EntryKey, Unwritten>>);

/// Outcome of one entry.
#[derive(Clone, Debug)]
pub(crate) struct Unwritten {
    pub(crate) holder: Holder,
    pub(crate) outcome: Settlement,
    pub(crate) expected: Arc<Expected>,
}

impl UnwrittenOutcomes {
    pub(crate) fn keep(&self, key: &EntryKey, unwritten: Unwritten) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), unwritten);
    }

    /// Forgets an outcome that the journal has.
    pub(crate) fn forget(&self, key: &EntryKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Returns the outcomes that the journal does not have, or that are being written.
    pub(crate) fn all(&self) -> BTreeMap<EntryKey, Unwritten> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
