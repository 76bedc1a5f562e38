//! The entry of one submission.

use std::{fmt, sync::Arc};

use defender_model::MachineAction;
use defender_transport::Clock;

use super::{
    Journal,
    entry::EntryKey,
    write_intent::{CALL_WITHIN, within},
};

/// Entry that a submission has written.
#[derive(Clone)]
pub(crate) struct JournalEntry {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) key: EntryKey,
}

impl JournalEntry {
    pub(crate) fn new(journal: Arc<dyn Journal>, key: EntryKey) -> Self {
        Self { journal, key }
    }

    pub(crate) fn key(&self) -> &EntryKey {
        &self.key
    }

    /// Writes the last record. A failure changes no outcome: a later wait writes it again.
    pub(crate) async fn finish(&self, clock: &dyn Clock, last: &MachineAction) {
        let _written_or_not = within(clock, Some(CALL_WITHIN), self.journal.finish(&self.key, last)).await;
    }
}

impl fmt::Debug for JournalEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalEntry").field("key", &self.key).finish_non_exhaustive()
    }
}
