//! The events of a run.

use std::fmt;

use defender_actions::model::{ActionId, ActionStatus, MachineId, sanitize_line};
use defender_store::{RowCounts, RunId};
use jiff::Timestamp;

use super::row::{RowError, RowOrigin};

/// Longest name of a machine in a line, in characters.
const SHOWN: usize = 200;

/// Event of a run. `{}` is one line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunEvent {
    /// Id of the run.
    pub run: RunId,
    /// Name of the tenant.
    pub tenant: String,
    /// What happened.
    pub kind: RunEventKind,
}

/// Row of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunRow {
    /// Place of the row in the run, from 0.
    pub index: u32,
    /// Wave, from 0.
    pub wave: u32,
    /// Id of the machine.
    pub machine_id: MachineId,
    /// Name of the machine.
    pub name: Option<String>,
}

/// Kind of an event, with its row.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RunEventKind {
    /// This worker began.
    Started {
        /// Rows in each state.
        counts: RowCounts,
    },
    /// The first row of a wave was taken.
    WaveBegan {
        /// Wave, from 0.
        wave: u32,
    },
    /// All rows of a wave have ended.
    WaveEnded {
        /// Wave, from 0.
        wave: u32,
    },
    /// The request of a row is sent.
    Sent {
        /// Row.
        row: RunRow,
    },
    /// The service has accepted the action of a row, or has it already.
    Submitted {
        /// Row.
        row: RunRow,
        /// Evidence.
        origin: RowOrigin,
        /// Id of the action.
        action_id: ActionId,
    },
    /// The action of a row succeeded.
    Succeeded {
        /// Row.
        row: RunRow,
        /// Id of the action.
        action_id: Option<ActionId>,
    },
    /// The action of a row failed, or its request was refused.
    Failed {
        /// Row.
        row: RunRow,
        /// Last known status of the action.
        status: Option<ActionStatus>,
        /// Why it failed.
        error: RowError,
    },
    /// The outcome of a row is unknown.
    Unknown {
        /// Row.
        row: RunRow,
        /// Why it is unknown.
        error: RowError,
    },
    /// The quota is used up, and nothing is sent for a while.
    WaitingForQuota {
        /// Time at which the next request may be sent, as far as it is known.
        until: Timestamp,
    },
    /// The service or the sign-in was not reached, and nothing is sent for a while. After ten minutes without a connection the worker ends
    /// with the error.
    WaitingForService {
        /// Time of the next attempt.
        until: Timestamp,
        /// The error in one line.
        error: String,
    },
    /// The run is halted. What was sent is still waited for.
    Halted {
        /// Reason.
        reason: String,
    },
    /// Nothing of the run is left to do: all rows have ended, or the run is halted and what was sent has ended.
    Ended {
        /// Rows in each state.
        counts: RowCounts,
    },
}

impl RunRow {
    fn machine(&self) -> &str {
        self.name.as_deref().unwrap_or(self.machine_id.as_str())
    }

    /// Returns the name without characters that have an effect on a terminal.
    fn shown(&self) -> String {
        sanitize_line(self.machine(), SHOWN)
    }
}

impl fmt::Display for RunEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use RunEventKind as K;
        write!(f, "tenant {} run {}: ", self.tenant, self.run)?;
        match &self.kind {
            K::Started { counts } => {
                write!(f, "started, {} of {} machines are not done", counts.open(), counts.total())
            }
            K::WaveBegan { wave } => write!(f, "wave {} began", wave + 1),
            K::WaveEnded { wave } => write!(f, "wave {} ended", wave + 1),
            K::Sent { row } => write!(f, "{}: sent", row.shown()),
            K::Submitted { row, origin, action_id } => write!(f, "{}: {origin}, action {action_id}", row.shown()),
            K::Succeeded { row, .. } => write!(f, "{}: succeeded", row.shown()),
            K::Failed { row, error, .. } => write!(f, "{}: failed: {}", row.shown(), error.message),
            K::Unknown { row, error } => write!(f, "{}: unknown: {}", row.shown(), error.message),
            K::WaitingForQuota { until } => write!(f, "waits for the quota until about {until:.0}"),
            K::WaitingForService { until, error } => write!(f, "waits for the service until about {until:.0}: {error}"),
            K::Halted { reason } => write!(f, "halted: {reason}"),
            K::Ended { counts } => {
                let RowCounts { succeeded, failed, unknown, .. } = counts;
                let open = counts.open();
                write!(f, "ended: {succeeded} succeeded, {failed} failed, {unknown} unknown, {open} not done")
            }
        }
    }
}
