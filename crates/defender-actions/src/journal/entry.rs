//! The data of an entry.

use std::fmt;

use defender_model::{ActionId, MachineAction};
use serde::{Deserialize, Serialize};

use crate::{Intent, Origin};

/// Key of an entry: unique in its journal.
///
/// A caller that gives a key ([`key`](crate::ActionRequest::key)) makes its request idempotent over processes and restarts: a second
/// request with the key is not sent while the first is intended, submitted or unknown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryKey(String);

impl EntryKey {
    /// Length limit of a key, in bytes.
    pub const MAX_LENGTH: usize = 512;

    /// Returns a key for this text, or `None` if the text is blank, longer than [`MAX_LENGTH`](Self::MAX_LENGTH), or has control
    /// characters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_key = !text.trim().is_empty() && text.len() <= Self::MAX_LENGTH && !text.chars().any(char::is_control);
        is_key.then(|| Self(text.to_owned()))
    }

    /// Returns a random key.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!("{:032x}", fastrand::u128(..)))
    }

    /// Returns the key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryKey({:?})", self.0)
    }
}

/// Holder of an entry: one call, or one recovery. Another call of the same process is another holder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder(u128);

impl Holder {
    /// Returns a random holder.
    #[must_use]
    pub fn generate() -> Self {
        Self(fastrand::u128(..))
    }

    /// Returns the holder as a number, to be stored.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// Returns the holder of a stored number.
    #[must_use]
    pub const fn from_u128(holder: u128) -> Self {
        Self(holder)
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Holder({:032x})", self.0)
    }
}

/// Service and tenant of an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct JournalScope {
    /// Base URL of the API.
    pub api: String,
    /// Id of the tenant.
    pub tenant_id: String,
}

impl JournalScope {
    /// Returns the scope of a service and a tenant.
    #[must_use]
    pub fn new(api: impl Into<String>, tenant_id: impl Into<String>) -> Self {
        Self { api: api.into(), tenant_id: tenant_id.into() }
    }

    /// Returns the scope of an intent, or `None` if the intent was made without a journal and does not name it.
    #[must_use]
    pub fn of(intent: &Intent) -> Option<Self> {
        Some(Self::new(intent.api.clone()?, intent.tenant_id.clone()?))
    }
}

/// Entry of a journal.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Intent of the request.
    pub intent: Intent,
    /// Outcome. `None` while the entry is intended.
    pub outcome: Option<Settlement>,
    /// Last record of the action, if it has ended and a process has waited for it.
    pub last: Option<MachineAction>,
}

impl Entry {
    /// Returns an entry.
    #[must_use]
    pub fn new(intent: Intent, outcome: Option<Settlement>, last: Option<MachineAction>) -> Self {
        Self { intent, outcome, last }
    }
}

/// Outcome of an intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Settlement {
    /// The service has accepted the action.
    Submitted {
        /// Evidence.
        origin: Origin,
        /// Record of the response, or of the search.
        action: Box<MachineAction>,
    },
    /// The request was certainly not sent.
    NotSent {
        /// Text of the error.
        error: String,
    },
    /// The service refused the request.
    Refused {
        /// Text of the error.
        error: String,
    },
    /// The service may have accepted the action.
    Unknown {
        /// Text of the error.
        error: String,
    },
}

impl Settlement {
    /// Returns the action that only one entry may have: of an origin of `Created` or `Recovered`.
    #[must_use]
    pub fn claimed_action(&self) -> Option<&ActionId> {
        match self {
            Self::Submitted { origin: Origin::Created | Origin::Recovered, action } => Some(&action.id),
            _ => None,
        }
    }

    /// Returns true if nothing happened, so that the key may be used again.
    #[must_use]
    pub fn is_without_effect(&self) -> bool {
        matches!(self, Self::NotSent { .. } | Self::Refused { .. })
    }
}

/// Result of [`Journal::intend`](crate::Journal::intend).
#[derive(Clone, Debug, PartialEq)]
pub enum Intended {
    /// The intent is written.
    New,
    /// The holder has written the intent before.
    Mine,
    /// The key has another entry, and nothing was written.
    Existing(Box<Entry>),
}

/// Result of [`Journal::settle`](crate::Journal::settle).
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// The outcome is written.
    Done,
    /// Another entry has the action, and nothing was written.
    ClaimedBy(EntryKey),
    /// The entry has another outcome, and nothing was written.
    Superseded(Settlement),
    /// Another holder has the entry, or the key is unknown, and nothing was written.
    NotHeld,
}

/// Entry without an outcome that was taken over.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Unsettled {
    /// Key of the entry.
    pub key: EntryKey,
    /// Intent of the request.
    pub intent: Intent,
    /// Number of times that the entry was taken over, this time included.
    pub tries: u32,
}

impl Unsettled {
    /// Returns an entry that was taken over.
    #[must_use]
    pub fn new(key: EntryKey, intent: Intent, tries: u32) -> Self {
        Self { key, intent, tries }
    }
}
