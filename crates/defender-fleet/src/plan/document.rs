//! The data of a plan.

use std::collections::BTreeMap;

use defender_actions::model::MachineId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::left_out::LeftOut;
use crate::FleetAction;

/// Plan of a run, as data: reviewed, signed off, compared. [`PlanBuilder::resolve`](crate::PlanBuilder::resolve) makes it.
///
/// [`save`](Self::save) and [`load`](Self::load) keep it in a file. [`check`](Self::check) refuses a plan that has lapsed, was
/// changed, has too many machines, or is for another tenant; a run checks its plan at its start. The [`hash`](Self::hash) shows a change
/// by mistake or by hand. It is no signature: an author of changes can compute it anew.
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
    /// Shortest time in which the quota allows the requests. The actions themselves, and the waits between waves, take more.
    pub shortest_time: SignedDuration,
    /// Creation of the oldest action of the history by which the states of the machines are known. `None` if no history was read,
    /// or if it has no action.
    pub history_from: Option<Timestamp>,
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

/// Permissions of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanPermissions {
    /// Permissions of which the token needs one.
    pub any_of: Vec<String>,
    /// Missing permissions and other faults of the token, one sentence each. Empty if nothing is known to be missing.
    pub missing: Vec<String>,
    /// False if the permissions of the token cannot be read.
    #[serde(default)]
    pub is_known: bool,
}

impl PlanPermissions {
    /// Result of the check in a few words, after the names of the permissions.
    pub(super) fn standing(&self) -> &'static str {
        match (self.is_known, self.missing.is_empty()) {
            (false, _) => " (the token cannot be read, so it is not known whether it has one)",
            (true, true) => " (the token has it)",
            (true, false) => " (see `missing`)",
        }
    }
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
