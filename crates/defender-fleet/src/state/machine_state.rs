//! The state of machines.

use std::fmt;

use defender_actions::model::{
    ActionId, ActionStatus, ActionType, IsolationType, MachineAction, MachineId, sanitize_line,
};
use jiff::Timestamp;
use serde::Serialize;

use super::change::stated;

/// Machines that are isolated, contained or restricted, by the history of their actions.
///
/// The service has no field for this state, and its history does not reach back without limit: a machine whose last change is older
/// than [`oldest`](Self::oldest) is missing here. Changes that no action shows, such as an edit of iptables on Linux, are not known.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StateNow {
    /// Machines with a state or a pending change, in the order of their ids.
    pub machines: Vec<MachineState>,
    /// Oldest action that was read: the history reaches back to its creation.
    pub oldest: Option<Box<MachineAction>>,
    /// Number of actions that were read.
    pub actions: usize,
    /// Number of records of actions that could not be read. Each may hide a state.
    pub unreadable: usize,
    /// Time of the state.
    pub at: Timestamp,
}

/// State of one machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MachineState {
    /// Id of the machine.
    pub machine_id: MachineId,
    /// Name of the machine, if a record has it.
    pub name: Option<String>,
    /// Isolation or containment.
    pub isolation: Option<Isolation>,
    /// Restriction of code execution.
    pub restriction: Option<Restriction>,
    /// Isolations, releases, restrictions and their removals that have not ended, the oldest first.
    pub pending: Vec<PendingChange>,
}

/// Isolation of a machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Isolation {
    /// Type of the isolation. `None` if no record states it.
    pub isolation_type: Option<IsolationType>,
    /// Time since which the machine is isolated without a gap.
    pub since: Timestamp,
    /// Id of the last action that isolated it.
    pub action_id: ActionId,
    /// Time at which the isolation ends by itself: seven days after the last action, on macOS and Linux. `None` if it does not end, or
    /// if the system of the machine is not known.
    pub lapses_at: Option<Timestamp>,
}

impl Isolation {
    /// Returns true if the machine is contained by other machines, and not isolated by itself.
    #[must_use]
    pub fn is_containment(&self) -> bool {
        self.isolation_type == Some(IsolationType::UnManagedDevice)
    }
}

/// Restriction of code execution on a machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Restriction {
    /// Time since which code execution is restricted.
    pub since: Timestamp,
    /// Id of the last action that restricted it.
    pub action_id: ActionId,
}

/// Action that has not ended and will change the state.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PendingChange {
    /// Id of the action.
    pub action_id: ActionId,
    /// Type of the action.
    pub action_type: ActionType,
    /// Status of the action.
    pub status: ActionStatus,
    /// Time of the request.
    pub created: Option<Timestamp>,
}

impl StateNow {
    /// Returns the state of a machine, by its id in any letter case.
    #[must_use]
    pub fn machine(&self, id: &str) -> Option<&MachineState> {
        self.machines.iter().find(|machine| machine.machine_id.as_str().eq_ignore_ascii_case(id))
    }
}

/// One line for each machine, and one for the reach of the history.
impl fmt::Display for StateNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for machine in &self.machines {
            writeln!(f, "{machine}")?;
        }
        write!(f, "{} actions read", self.actions)?;
        if let Some(created) = self.oldest.as_ref().and_then(|oldest| stated(oldest.creation_date_time_utc)) {
            write!(f, ", the oldest of {created}")?;
        }
        if self.unreadable > 0 {
            write!(f, "; {} records could not be read, and each may hide a state", self.unreadable)?;
        }
        Ok(())
    }
}

impl fmt::Display for MachineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.machine_id)?;
        if let Some(name) = &self.name {
            write!(f, " {}", sanitize_line(name, 100))?;
        }
        if let Some(isolation) = &self.isolation {
            write!(f, ", {isolation}")?;
        }
        if let Some(Restriction { since, .. }) = &self.restriction {
            write!(f, ", restricted since {since}")?;
        }
        for pending in &self.pending {
            write!(f, ", {} is {}", pending.action_type, pending.status)?;
        }
        Ok(())
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.isolation_type {
            Some(IsolationType::UnManagedDevice) => f.write_str("contained")?,
            Some(isolation_type) => write!(f, "isolated ({isolation_type})")?,
            None => f.write_str("isolated")?,
        }
        write!(f, " since {}", self.since)?;
        if let Some(lapses_at) = self.lapses_at {
            write!(f, ", until {lapses_at}")?;
        }
        Ok(())
    }
}
