//! Entries of the journal in the form in which both engines store them: texts of JSON, and numbers for states and origins.

use std::time::Duration;

use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, JournalScope, Origin, Settled, Settlement, Unsettled,
    model::{MachineAction, read_json},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{StoreError, StoreErrorKind, micros::ceiling};

/// Time for which the service has the records of actions. <https://learn.microsoft.com/defender-xdr/data-privacy> names 180 days for the data
/// of Defender for Endpoint; that the records of actions are a part of it is inferred.
const HISTORY: Duration = Duration::from_secs(180 * 24 * 3_600);
/// Time before an intent from which its recovery may find an action: 15 minutes by the rules of recovery, and clocks that differ.
const OVERLAP: Duration = Duration::from_secs(3_600);

/// State of an entry whose request was accepted.
pub(crate) const SUBMITTED: i32 = 1;

/// An intent to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewEntry {
    pub(crate) key: String,
    pub(crate) scope: Scope,
    pub(crate) intent: String,
    pub(crate) version: i32,
    pub(crate) holder: u128,
    pub(crate) lease: i64,
}

/// Service and tenant. Both are empty for an intent that does not name them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) api: String,
    pub(crate) tenant: String,
}

impl From<JournalScope> for Scope {
    fn from(scope: JournalScope) -> Self {
        Self { api: scope.api, tenant: scope.tenant_id }
    }
}

impl NewEntry {
    pub(crate) fn new(key: &EntryKey, intent: &Intent, holder: Holder, lease: Duration) -> Result<Self, StoreError> {
        Ok(Self {
            key: key.as_str().to_owned(),
            scope: JournalScope::of(intent).map(Scope::from).unwrap_or_default(),
            intent: text(key, intent)?,
            version: i32::try_from(intent.version()).unwrap_or(i32::MAX),
            holder: holder.as_u128(),
            lease: ceiling(lease),
        })
    }
}

/// An outcome to be written.
#[derive(Clone, Debug)]
pub(crate) struct NewOutcome {
    pub(crate) key: String,
    pub(crate) holder: u128,
    pub(crate) state: i32,
    pub(crate) origin: Option<i32>,
    pub(crate) action_id: Option<String>,
    pub(crate) text: String,
}

impl NewOutcome {
    pub(crate) fn new(key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Self, StoreError> {
        let (state, origin, action_id) = match outcome {
            Settlement::Submitted { origin, action } => {
                let claims = outcome.claimed_action().is_some();
                let origin = match origin {
                    Origin::Recovered => 3,
                    _ if claims => 1,
                    _ => 2,
                };
                (SUBMITTED, Some(origin), Some(action.id.as_str().to_ascii_lowercase()))
            }
            Settlement::NotSent { .. } => (2, None, None),
            Settlement::Refused { .. } => (3, None, None),
            // Any other outcome does not free the key.
            _ => (4, None, None),
        };
        let (holder, text) = (holder.as_u128(), text(key, outcome)?);
        Ok(Self { key: key.as_str().to_owned(), holder, state, origin, action_id, text })
    }
}

/// An entry as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredEntry {
    pub(crate) intent: String,
    pub(crate) outcome: Option<String>,
    pub(crate) last: Option<String>,
}

impl StoredEntry {
    pub(crate) fn read(&self, key: &EntryKey, database: &str) -> Result<Entry, StoreError> {
        let reader = Reader { key: key.as_str(), database };
        let outcome = self.outcome.as_deref().map(|text| reader.read(text)).transpose()?;
        let last = self.last.as_deref().map(|text| reader.read(text)).transpose()?;
        Ok(Entry::new(reader.read(&self.intent)?, outcome, last))
    }
}

/// Result of the statements of an intent.
#[derive(Clone, Debug)]
pub(crate) enum StoredIntended {
    New,
    Mine,
    Existing(StoredEntry),
}

impl StoredIntended {
    pub(crate) fn read(&self, key: &EntryKey, database: &str) -> Result<Intended, StoreError> {
        Ok(match self {
            Self::New => Intended::New,
            Self::Mine => Intended::Mine,
            Self::Existing(entry) => Intended::Existing(Box::new(entry.read(key, database)?)),
        })
    }
}

/// Result of the statements of an outcome.
#[derive(Clone, Debug)]
pub(crate) enum StoredSettled {
    Done,
    /// Key of the entry that has the action.
    ClaimedBy(String),
    /// The outcome that the entry has.
    Settled(String),
    NotHeld,
}

impl StoredSettled {
    pub(crate) fn read(&self, key: &EntryKey, outcome: &Settlement, database: &str) -> Result<Settled, StoreError> {
        let reader = Reader { key: key.as_str(), database };
        Ok(match self {
            Self::Done => Settled::Done,
            Self::ClaimedBy(other) => Settled::ClaimedBy(Reader { key: other, database }.key()?),
            Self::Settled(text) => {
                let there: Settlement = reader.read(text)?;
                // A repeat.
                if there == *outcome { Settled::Done } else { Settled::Superseded(there) }
            }
            Self::NotHeld => Settled::NotHeld,
        })
    }
}

/// Order to take over entries.
#[derive(Clone, Debug)]
pub(crate) struct TakeOver {
    pub(crate) scope: Scope,
    pub(crate) holder: u128,
    pub(crate) lease: i64,
    pub(crate) at_most: i64,
}

impl TakeOver {
    /// Newest form of an intent that this program reads. An entry of a newer program is left to that program.
    pub(crate) const VERSION: u32 = Intent::VERSION;

    pub(crate) fn new(scope: &JournalScope, holder: Holder, lease: Duration, at_most: usize) -> Self {
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        Self { scope: scope.clone().into(), holder: holder.as_u128(), lease: ceiling(lease), at_most }
    }
}

/// An entry that was taken over.
#[derive(Clone, Debug)]
pub(crate) struct StoredUnsettled {
    pub(crate) key: String,
    pub(crate) intent: String,
    pub(crate) tries: i64,
}

impl StoredUnsettled {
    /// Reads entries. Those that cannot be read are left out, unless none can be: an entry that is damaged keeps no other one from its
    /// recovery.
    pub(crate) fn read_all(taken: &[Self], database: &str) -> Result<Vec<Unsettled>, StoreError> {
        let (mut entries, mut unreadable) = (Vec::new(), None);
        for entry in taken {
            match entry.read(database) {
                Ok(entry) => entries.push(entry),
                Err(error) => unreadable = Some(error),
            }
        }
        match unreadable {
            Some(error) if entries.is_empty() => Err(error),
            _ => Ok(entries),
        }
    }

    fn read(&self, database: &str) -> Result<Unsettled, StoreError> {
        let reader = Reader { key: &self.key, database };
        let tries = u32::try_from(self.tries).unwrap_or(u32::MAX);
        Ok(Unsettled::new(reader.key()?, reader.read(&self.intent)?, tries))
    }
}

/// Order to delete old entries, in microseconds before now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prune {
    /// Age of what is deleted.
    pub(crate) age: i64,
    /// Age of an action that is deleted although no process has seen its end.
    pub(crate) unfinished: i64,
    /// A scope with an intended entry of this age is left as it is. Negative if the age is less than the overlap.
    pub(crate) open: i64,
}

impl Prune {
    /// Largest number of entries that one transaction deletes.
    pub(crate) const AT_MOST: i64 = 1_000;

    pub(crate) fn new(older_than: Duration) -> Self {
        let age = ceiling(older_than);
        Self { age, unfinished: age.max(ceiling(HISTORY)), open: age.saturating_sub(ceiling(OVERLAP)) }
    }
}

/// Returns the last record of an action as text.
pub(crate) fn last(key: &EntryKey, last: &MachineAction) -> Result<String, StoreError> {
    text(key, last)
}

fn text(key: &EntryKey, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| {
        let message = format!("entry `{key}` of the journal cannot be written as JSON: {source}; report this as a bug");
        StoreError::new(StoreErrorKind::Statement, message).caused_by(source)
    })
}

/// Reader of the texts of an entry.
struct Reader<'a> {
    key: &'a str,
    database: &'a str,
}

impl Reader<'_> {
    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, StoreError> {
        read_json(text.as_bytes()).map_err(|source| self.failed(&source.to_string()).caused_by(source))
    }

    fn key(&self) -> Result<EntryKey, StoreError> {
        EntryKey::new(self.key).ok_or_else(|| self.failed("its key is not a key"))
    }

    fn failed(&self, why: &str) -> StoreError {
        let Self { key, database } = self;
        let advice = "update the program, restore a backup, or correct the entry";
        let message = format!("cannot read the journal: {database}: entry `{key}`: {why}; {advice}");
        StoreError::new(StoreErrorKind::Storage, message)
    }
}
