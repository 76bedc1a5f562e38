//! The data of a run and of its rows.

use std::{fmt, time::Duration};

/// Id of a run, unique in its store.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// Length limit of an id, in bytes.
    pub const MAX_LENGTH: usize = 64;

    /// Returns the id of this text, or `None` if the text is empty, longer than [`MAX_LENGTH`](Self::MAX_LENGTH), or has characters
    /// other than ASCII letters in lower case, digits and `-`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_id = !text.is_empty() && text.len() <= Self::MAX_LENGTH && text.bytes().all(allowed);
        is_id.then(|| Self(text.to_owned()))
    }

    /// Returns a random id of 12 characters.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!("{:012x}", fastrand::u64(..1 << 48)))
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({:?})", self.0)
    }
}

/// Id of a worker: one loop that works on a run. Another loop of the same process is another worker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(u128);

impl WorkerId {
    /// Returns a random id.
    #[must_use]
    pub fn generate() -> Self {
        Self(fastrand::u128(..))
    }

    /// Returns the id as a number, to be stored.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// Returns the id of a stored number.
    #[must_use]
    pub const fn from_u128(worker: u128) -> Self {
        Self(worker)
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkerId({:032x})", self.0)
    }
}

/// Run to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// Id of the run.
    pub id: RunId,
    /// Id of the tenant.
    pub tenant_id: String,
    /// What the run is, as text that the store does not read.
    pub document: String,
    /// Number of rows in the states [`Failed`](RowState::Failed) and [`Unknown`](RowState::Unknown) at which the run is halted.
    pub halt_after: Option<u32>,
    /// Wave and document of each row. The index of a row is its place in this list.
    pub rows: Vec<NewRow>,
}

/// Row of a run to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// Wave of the row. A wave begins once all rows of the waves before it have ended.
    pub wave: u32,
    /// What is known of the row, as text that the store does not read.
    pub document: String,
}

/// Result of the creation of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreatedRun {
    /// The run is new.
    New,
    /// The store has a run with this id, which is unchanged.
    Existing,
}

/// Run of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRun {
    /// Id of the run.
    pub id: RunId,
    /// Id of the tenant.
    pub tenant_id: String,
    /// What the run is.
    pub document: String,
    /// Number of failed and unknown rows at which the run is halted.
    pub halt_after: Option<u32>,
    /// Reason of the halt, if the run is halted.
    pub halted: Option<String>,
    /// Number of rows in each state.
    pub counts: RowCounts,
}

impl StoredRun {
    /// Returns a run of these parts, without rows and not halted.
    #[must_use]
    pub fn new(id: RunId, tenant_id: impl Into<String>, document: impl Into<String>) -> Self {
        Self {
            id,
            tenant_id: tenant_id.into(),
            document: document.into(),
            halt_after: None,
            halted: None,
            counts: RowCounts::default(),
        }
    }
}

/// Number of rows in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows that were not sent.
    pub planned: u32,
    /// Rows whose request may have been sent.
    pub sending: u32,
    /// Rows whose action the service has accepted.
    pub submitted: u32,
    /// Rows whose action succeeded.
    pub succeeded: u32,
    /// Rows whose action failed or was refused.
    pub failed: u32,
    /// Rows whose outcome is unknown.
    pub unknown: u32,
}

impl RowCounts {
    /// Returns the number of all rows.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.open() + self.succeeded + self.failed + self.unknown
    }

    /// Returns the number of rows that have not ended.
    #[must_use]
    pub const fn open(&self) -> u32 {
        self.planned + self.sending + self.submitted
    }

    /// Returns the count of a state.
    pub const fn of(&mut self, state: RowState) -> &mut u32 {
        match state {
            RowState::Planned => &mut self.planned,
            RowState::Sending => &mut self.sending,
            RowState::Submitted => &mut self.submitted,
            RowState::Succeeded => &mut self.succeeded,
            RowState::Failed => &mut self.failed,
            RowState::Unknown => &mut self.unknown,
        }
    }
}

/// State of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowState {
    /// The request was not sent.
    Planned,
    /// The request may have been sent.
    Sending,
    /// The service has accepted the action, and the action has not ended.
    Submitted,
    /// The action succeeded.
    Succeeded,
    /// The action failed, or the request was refused.
    Failed,
    /// The outcome is unknown.
    Unknown,
}

impl RowState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Planned, Self::Sending, Self::Submitted, Self::Succeeded, Self::Failed, Self::Unknown];

    /// Returns whether the row has ended.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Unknown)
    }

    /// Returns the number of the state, to be stored.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        match self {
            Self::Planned => 0,
            Self::Sending => 1,
            Self::Submitted => 2,
            Self::Succeeded => 3,
            Self::Failed => 4,
            Self::Unknown => 5,
        }
    }

    /// Returns the state of a stored number.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_u8() == number)
    }
}

/// Row of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// Place in the run, from 0.
    pub index: u32,
    /// Wave of the row.
    pub wave: u32,
    /// State of the row.
    pub state: RowState,
    /// Number of the attempt, from 1. [`retry_rows`](crate::RunStore::retry_rows) begins the next one.
    pub attempt: u32,
    /// What is known of the row.
    pub document: String,
}

/// Worker and the time for which it has its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerLease {
    /// Worker.
    pub worker: WorkerId,
    /// Time from now after which another worker may claim the rows.
    pub lease: Duration,
}

/// Answer to the question whether the request of a row may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The row is now [`Sending`](RowState::Sending), and its request may be sent.
    Go,
    /// The run is halted. The row is unchanged.
    Halted,
    /// The row is not in the states [`Planned`](RowState::Planned) or [`Sending`](RowState::Sending), or another worker has it.
    NotHeld,
}

/// Result of a change of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowWritten {
    /// The row is changed.
    Done {
        /// This change has halted the run, or the run was halted before.
        is_halted: bool,
    },
    /// Another worker has the row, or the row has ended. The row is unchanged.
    NotHeld,
}
