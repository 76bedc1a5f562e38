//! The error of a store.

use std::{error::Error as StdError, fmt};

use defender_actions::JournalError;
use defender_transport::QuotaStoreError;

/// Failure of a store: what failed, on which store, and what to do. It contains no password.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Kind of a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The settings of the store or of the database do not allow correct work.
    Configuration,
    /// The database does not respond, refuses connections, or is locked. It may respond later.
    Unavailable,
    /// The schema is newer than this version of the crate, or belongs to another program.
    Schema,
    /// The disk is full, or the database is read-only or damaged.
    Storage,
    /// A statement failed for another reason.
    Statement,
}

impl StoreError {
    /// Creates an error: what failed, on which store, and what to do.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Sets the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<StoreError> for QuotaStoreError {
    fn from(error: StoreError) -> Self {
        Self::new(error.message.clone()).caused_by(error)
    }
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        Self::new(error.message.clone()).caused_by(error)
    }
}
