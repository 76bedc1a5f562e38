//! What the processes tell each other, a line of JSON each.

use std::path::PathBuf;

use defender_actions::Origin;
use serde::{Deserialize, Serialize};

/// By how many times the clocks of workers and emulators are faster than the machine's.
pub(crate) const SPEED: u32 = 12;

/// Emulator of a tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) base_url: String,
    pub(crate) authority: String,
    pub(crate) audience: String,
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) machine_ids: Vec<String>,
    pub(crate) ca_file: PathBuf,
}

/// Order to the process of the emulators.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServiceOrder {
    pub(crate) seed: u64,
    pub(crate) tenants: u32,
    pub(crate) actions: u32,
    pub(crate) folder: PathBuf,
    /// Time at which all clocks begin to be faster.
    pub(crate) origin: String,
}

/// Words to the process of the emulators after its order.
pub(crate) const CALM: &str = "calm";
pub(crate) const REPORT: &str = "report";

/// Order to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WorkerOrder {
    /// Number of the worker, from 0, and number of workers.
    pub(crate) worker: u32,
    pub(crate) workers: u32,
    pub(crate) actions: u32,
    pub(crate) origin: String,
    /// URL or file of the store.
    pub(crate) store: String,
    pub(crate) tenants: Vec<Tenant>,
    /// Id of the run of each tenant, or nothing if the worker submits actions by itself.
    pub(crate) runs: Vec<String>,
}

/// Note of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Note {
    /// An action is about to be performed.
    Began { key: String },
    /// An action was performed or recovered, and not taken from the journal.
    Claim { key: String, action: String, origin: Origin },
    /// A call ended without a response, after its request was sent.
    Lost { key: String },
    /// All actions of the worker have an outcome.
    Done,
}

/// POST that an emulator received.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// Path segment of the action.
    pub(crate) segment: String,
    /// Number of the action, which is that of its machine.
    pub(crate) number: u32,
    /// Comment of the action, which is the key of its entry. `None` if the connection was cut before the body arrived.
    pub(crate) comment: Option<String>,
    pub(crate) status: u16,
    /// Id of the action that it created.
    pub(crate) created: Option<String>,
    /// Time of the response and fault, as the log of the emulator has them. For findings.
    pub(crate) logged: Vec<String>,
}

/// Arrivals at an emulator, at the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TenantReport {
    pub(crate) arrivals: Vec<Arrival>,
    /// Calls that the emulator refused because of its quota, and not because of a fault.
    pub(crate) over_quota: u32,
}

/// Returns the key of an action, which is also its comment.
pub(crate) fn key(tenant: usize, number: u32) -> String {
    format!("tenant {tenant}, action {number}")
}
