//! Outcomes that the journal did not take.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    journal::entry::{EntryKey, Holder, Settlement},
    submit::expected::Expected,
};

/// Outcomes of this process that are not in the journal. The next [`recover_pending`](crate::DefenderClient::recover_pending) or
/// [`flush_journal`](crate::DefenderClient::flush_journal), or [`journal_entry`](crate::DefenderClient::journal_entry) of their key, writes them: this
/// process knows them, and need not search.
///
/// Two requests of this process with one key are two holders, so that the outcome of one does not replace that of the other.
#[derive(Debug, Default)]
pub(crate) struct UnwrittenOutcomes(Mutex<Kept>);

/// Outcomes by the key and the holder of the request.
pub(crate) type Kept = BTreeMap<(EntryKey, Holder), Unwritten>;

/// Outcome of one request.
#[derive(Clone, Debug)]
pub(crate) struct Unwritten {
    pub(crate) outcome: Settlement,
    pub(crate) expected: Arc<Expected>,
    /// Time on our clock until which the intent may still appear in the journal, which did not say whether it took it.
    pub(crate) may_appear_until: Option<Duration>,
}

impl UnwrittenOutcomes {
    /// Keeps an outcome. Those whose intent can no longer appear at `now` are forgotten.
    pub(crate) fn keep(&self, key: &EntryKey, holder: Holder, unwritten: Unwritten, now: Duration) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, unwritten| unwritten.may_appear_until.is_none_or(|until| now < until));
        kept.insert((key.clone(), holder), unwritten);
    }

    /// Forgets an outcome that the journal has.
    pub(crate) fn forget(&self, key: &EntryKey, holder: Holder) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(key.clone(), holder));
    }

    /// Returns the outcomes of a key that the journal does not have, or that are being written.
    pub(crate) fn of(&self, key: &EntryKey) -> Kept {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_key = kept.range((key.clone(), Holder::from_u128(0))..=(key.clone(), Holder::from_u128(u128::MAX)));
        of_key.map(|(request, unwritten)| (request.clone(), unwritten.clone())).collect()
    }

    /// Returns the outcomes that the journal does not have, or that are being written.
    pub(crate) fn all(&self) -> Kept {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
