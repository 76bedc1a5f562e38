//! Plans: what a run will do, as data that a person reviews.

use std::collections::BTreeMap;

use defender_actions::model::{Machine, MachineId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::FleetAction;

/// What a run will do, as data: reviewed, signed off, compared. [`resolve`](crate::Fleet) reads the machines and makes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// Version of the serialized form.
    pub version: u32,
    /// Name of the tenant in the fleet.
    pub tenant: String,
    /// Id of the tenant.
    pub tenant_id: String,
    /// Base URL of the API.
    pub api: String,
    /// Action on each machine.
    pub action: FleetAction,
    /// Machines of the run, in the order of their waves.
    pub rows: Vec<PlanRow>,
    /// Targets that the run leaves out, each with its reason.
    pub left_out: Vec<LeftOut>,
    /// Largest number of machines that the author of the plan allows.
    pub max_machines: u32,
    /// Number of failed and unknown rows at which the run is halted.
    pub halt_after: Option<u32>,
    /// Permissions that the run needs, and what the token has.
    pub permissions: PlanPermissions,
    /// Shortest time in which the quota allows the requests.
    pub shortest_time: SignedDuration,
    /// Advice that concerns the whole plan, one sentence each.
    pub warnings: Vec<String>,
    /// Id of the run whose actions this plan undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts: Option<String>,
    /// Time at which the machines were read.
    pub resolved_at: Timestamp,
    /// Time after which the plan is refused.
    pub lapses_at: Timestamp,
    /// Fields of a version that this crate does not know.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
    /// SHA-256 of all other fields, in hexadecimal digits.
    pub hash: String,
}

/// Machine of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanRow {
    /// Id of the machine.
    pub machine_id: MachineId,
    /// Name of the machine, as the service has it.
    pub name: Option<String>,
    /// Wave, from 0.
    pub wave: u32,
    /// Advice that concerns this machine, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

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
    /// Why the target is left out.
    pub reason: LeftOutReason,
}

/// Why a target is left out.
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
    NotFound,
    /// Several machines have this name.
    Ambiguous {
        /// The machines, the one that was seen last first.
        candidates: Vec<Machine>,
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

/// Permissions of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanPermissions {
    /// Permissions of which the token needs one.
    pub any_of: Vec<String>,
    /// What the token lacks, one sentence each. Empty if nothing is known to be missing.
    pub missing: Vec<String>,
}

/// Plan that a person has approved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApprovedPlan {
    /// The plan.
    pub plan: Plan,
    /// Person who has approved it.
    pub approver: String,
    /// Ticket of the change.
    pub ticket: String,
    /// Time of the approval.
    pub approved_at: Timestamp,
}
