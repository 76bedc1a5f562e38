//! Targets that a plan leaves out.

use defender_actions::model::{HealthStatus, Machine, MachineId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Target that a run leaves out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// Target as it was given: an id, a name, or the text of a row.
    pub target: String,
    /// Where the target was given, such as `hosts.csv:17`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Id of the machine, if the target is one machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_id: Option<MachineId>,
    /// DNS name of the machine, if its record was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why the target is left out.
    pub reason: LeftOutReason,
}

/// Reason for which a target is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LeftOutReason {
    /// The text is no id, no name, or no row of a CSV file.
    Invalid {
        /// What is wrong with it.
        message: String,
    },
    /// No machine has this id or name.
    NotFound {
        /// Some machines whose names begin with the name.
        similar: Vec<Candidate>,
    },
    /// Several machines have this name.
    Ambiguous {
        /// The machines, the one that was seen last first.
        candidates: Vec<Candidate>,
    },
    /// The machine is a target already.
    Duplicate,
    /// The plan excludes the machine, by its tag, its device value or its id.
    Excluded {
        /// The exclusion.
        by: String,
    },
    /// The machine does not suit the action.
    Unsuitable {
        /// Each reason, one sentence each.
        reasons: Vec<String>,
    },
    /// The last action on the machine shows that it is already in the state.
    AlreadyDone {
        /// What the history shows.
        message: String,
    },
    /// The inverse action is pending on the machine.
    InversePending {
        /// Id of the pending action.
        action_id: String,
    },
    /// The run that is undone did not create the action.
    NotOurs {
        /// What the run did on the machine.
        message: String,
    },
}

/// Machine to choose from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Candidate {
    /// Id of the machine.
    pub id: MachineId,
    /// Name of the machine.
    pub name: Option<String>,
    /// Time of its last full report.
    pub last_seen: Option<Timestamp>,
    /// Health of its sensor.
    pub health: Option<HealthStatus>,
}

impl From<&Machine> for Candidate {
    fn from(machine: &Machine) -> Self {
        Self {
            id: machine.id.clone(),
            name: machine.computer_dns_name.clone(),
            last_seen: machine.last_seen,
            health: machine.health_status.clone(),
        }
    }
}
