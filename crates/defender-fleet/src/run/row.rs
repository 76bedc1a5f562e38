//! The document of a row: what is known of one machine of a run, as the store of the runs has it.

use std::fmt;

use defender_actions::{
    Error as ServiceError,
    model::{ActionId, ActionStatus, MachineId},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::verdict::REFUSALS;
use crate::{Error, ErrorKind, LeftOut, PlanRow};

/// Version of the serialized form.
const VERSION: u32 = 1;

/// Evidence that the service has accepted the action of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowOrigin {
    /// The response has the record of a new action.
    Created,
    /// An action of the same type was in progress, and the row waits for it. It may be somebody else's.
    Joined,
    /// The response was lost, and the service's list has an action with the generated external id of the row. It is certainly the row's.
    Recovered,
    /// The response was lost, and the service's list has one action with the comment and the time of the row. It is the row's, unless another
    /// process did the same at the same time.
    RecoveredByComment,
}

impl RowOrigin {
    /// Returns the name of the origin in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Joined => "joined",
            Self::Recovered => "recovered",
            Self::RecoveredByComment => "recovered by comment",
        }
    }
}

impl fmt::Display for RowOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Error of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RowError {
    /// Name of the kind, such as `outcome-unknown`: see [`defender_actions::ErrorKind`].
    pub kind: String,
    /// The error in one line, with its advice.
    pub message: String,
    /// The advice alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl RowError {
    /// Returns the form of an error of a call.
    pub(crate) fn of(error: &ServiceError) -> Self {
        Self { kind: error.kind().name().to_owned(), message: error.to_string(), advice: error.advice() }
    }

    /// Returns the reason for which a plan leaves a target out.
    pub(crate) fn of_left_out(target: &LeftOut) -> Self {
        let kind = target.reason.name().replace(' ', "-");
        let message = match &target.source {
            Some(source) => format!("{source}: {}", target.reason),
            None => target.reason.to_string(),
        };
        Self { kind, message, advice: None }
    }

    /// Returns the form of an error of which the journal has the line.
    pub(crate) fn of_line(line: &str) -> Self {
        let kind = line.strip_suffix(']').and_then(|line| line.rsplit_once('[')).map_or("", |(_, kind)| kind);
        Self { kind: kind.to_owned(), message: line.to_owned(), advice: None }
    }
}

/// Attempt of a row: one intent, and its outcome.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RowAttempt {
    /// Number of the attempt, from 1. A person's word begins the next one: see [`retry`](crate::Run::retry).
    pub number: u32,
    /// Key of the intent in the journal.
    pub key: String,
    /// Worker that began the attempt, as a number in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Evidence that the service has accepted the action, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<RowOrigin>,
    /// Id of the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_id: Option<ActionId>,
    /// Last known status of the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ActionStatus>,
    /// Why the attempt failed, or why its outcome is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RowError>,
    /// Time at which a worker took the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Time at which the acceptance of the action was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<Timestamp>,
    /// Time at which the end was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl RowAttempt {
    /// Returns whether the outcome of the attempt is known: its action has ended, or nothing has happened.
    pub(crate) fn is_known(&self) -> bool {
        let is_refusal = |error: &RowError| REFUSALS.iter().any(|refusal| refusal.name() == error.kind);
        let has_ended = self.status.as_ref().is_some_and(ActionStatus::is_terminal);
        has_ended || (self.action_id.is_none() && self.error.as_ref().is_some_and(is_refusal))
    }
}

/// Document of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowDocument {
    version: u32,
    pub(crate) machine_id: MachineId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The current attempt.
    pub(crate) attempt: RowAttempt,
    /// The earlier attempts, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) earlier: Vec<RowAttempt>,
}

impl RowDocument {
    /// Returns the document of a row that is planned.
    pub(crate) fn planned(row: &PlanRow) -> Self {
        let attempt = RowAttempt::default();
        Self {
            version: VERSION,
            machine_id: row.machine_id.clone(),
            name: row.name.clone(),
            attempt,
            earlier: Vec::new(),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        parse_versioned(text, VERSION, "the row")
    }

    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Begins an attempt, if it is not the current one.
    pub(crate) fn begin(&mut self, number: u32, key: String) {
        if self.attempt.number == number {
            return;
        }
        let before = std::mem::replace(&mut self.attempt, RowAttempt { number, key, ..RowAttempt::default() });
        if before.number > 0 {
            self.earlier.push(before);
        }
    }

    /// Returns the keys of the earlier attempts whose outcome is unknown, the newest first. A later attempt may have found the action of
    /// an earlier one, and has its key.
    pub(crate) fn open_attempts(&self) -> Vec<String> {
        let mut keys: Vec<_> = open(&self.earlier, &self.attempt).rev().map(|attempt| attempt.key.clone()).collect();
        keys.dedup();
        keys
    }
}

/// Returns the earlier attempts whose outcome neither they nor a later attempt with the same key have.
pub(crate) fn open<'a>(
    earlier: &'a [RowAttempt],
    last: &'a RowAttempt,
) -> impl DoubleEndedIterator<Item = &'a RowAttempt> {
    let all = move || earlier.iter().chain([last]);
    earlier.iter().filter(move |attempt| !all().any(|other| other.key == attempt.key && other.is_known()))
}

/// Reads a document, and refuses the form of a newer program.
pub(crate) fn parse_versioned<T: for<'de> Deserialize<'de>>(text: &str, version: u32, what: &str) -> Result<T, Error> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let unreadable = |error: serde_json::Error| {
        Error::new(ErrorKind::Store, format!("{what} in the store cannot be read: {error}")).caused_by(error)
    };
    let Versioned { version: found } = serde_json::from_str(text).map_err(unreadable)?;
    if found > version {
        let message =
            format!("{what} has version {found}, and this program reads up to version {version}; update the program");
        return Err(Error::new(ErrorKind::PlanVersion, message));
    }
    serde_json::from_str(text).map_err(unreadable)
}
