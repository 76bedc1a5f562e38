//! The report of a run: one row for each machine, and for each target that the plan leaves out.

mod csv;
mod late;

use std::fmt;

use defender_actions::model::{ActionId, ActionStatus, MachineId, sanitize_line};
use defender_store::{RowState, RunId, StoredRow, StoredRun};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use self::late::add_late_outcomes;
use crate::{
    ApprovedPlan, LeftOut, claim,
    run::{RowAttempt, RowDocument, RowError, RowOrigin, open_attempts},
};

/// Report of a run. `{}` is a summary, [`to_csv`](Self::to_csv) a table, and its serialized form JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// Version of the serialized form.
    pub version: u32,
    /// Id of the run.
    pub run: String,
    /// Name of the tenant.
    pub tenant: String,
    /// Id of the tenant.
    pub tenant_id: String,
    /// Type of the action.
    pub action: String,
    /// Comment of the action.
    pub comment: String,
    /// Person who has approved the plan.
    pub approver: String,
    /// Ticket of the change.
    pub ticket: String,
    /// Id of the run that this run undoes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverts: Option<String>,
    /// Reason of the halt, if the run is halted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halted: Option<String>,
    /// Number of rows in each state.
    pub counts: ReportCounts,
    /// The machines of the run in the order of their waves, then the targets that the plan leaves out.
    pub rows: Vec<ReportRow>,
}

/// Number of rows in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportCounts {
    /// See [`ReportState::Planned`].
    pub planned: u32,
    /// See [`ReportState::Sending`].
    pub sending: u32,
    /// See [`ReportState::Submitted`].
    pub submitted: u32,
    /// See [`ReportState::Succeeded`].
    pub succeeded: u32,
    /// See [`ReportState::Failed`].
    pub failed: u32,
    /// See [`ReportState::Unknown`].
    pub unknown: u32,
    /// See [`ReportState::LeftOut`].
    pub left_out: u32,
}

/// State of a row in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReportState {
    /// Nothing was sent, or the row is to be done again and nothing was sent since.
    Planned,
    /// The request may have been sent, and a worker has or had it in hand.
    Sending,
    /// The service has accepted the action, and its end is not known.
    Submitted,
    /// The action succeeded.
    Succeeded,
    /// The action failed, or the request was refused.
    Failed,
    /// The outcome is unknown.
    Unknown,
    /// The plan leaves the target out.
    LeftOut,
}

/// Row of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportRow {
    /// Name of the tenant.
    pub tenant: String,
    /// Id of the machine. `None` if the plan found no machine for the target.
    pub machine_id: Option<MachineId>,
    /// Name of the machine, or the target as it was given.
    pub machine: Option<String>,
    /// Type of the action.
    pub action: String,
    /// State of the row.
    pub state: ReportState,
    /// Evidence that the service has accepted the action, if it has.
    pub origin: Option<RowOrigin>,
    /// Last known status of the action.
    pub status: Option<ActionStatus>,
    /// Id of the action.
    pub action_id: Option<ActionId>,
    /// Reason why the row failed, is unknown, or is left out. A planned row has an error if an earlier attempt is unknown.
    pub error: Option<RowError>,
    /// Wave, from 0. `None` if the plan leaves the target out.
    pub wave: Option<u32>,
    /// Number of attempts.
    pub attempts: u32,
    /// Worker that began the last attempt, as a number in hexadecimal digits.
    pub worker: Option<String>,
    /// Key of the intent in the journal.
    pub key: Option<String>,
    /// Time at which a worker took the row.
    pub started_at: Option<Timestamp>,
    /// Time at which the acceptance of the action was known.
    pub submitted_at: Option<Timestamp>,
    /// Time at which the end was known.
    pub ended_at: Option<Timestamp>,
    /// The attempts before the last, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<RowAttempt>,
}

/// Version of the serialized form.
const VERSION: u32 = 1;
/// Longest line of a row, in characters.
const SHOWN: usize = 1_000;

impl Report {
    /// Returns the report of a run of the store.
    pub(crate) fn of(stored: &StoredRun, approved: &ApprovedPlan, rows: &[(StoredRow, RowDocument)]) -> Self {
        let plan = &approved.plan;
        let action = plan.action.action_type();
        let of_run = rows.iter().map(|(row, document)| ReportRow::of(&stored.id, row, document, &plan.tenant, action));
        let left_out = plan.left_out.iter().map(|target| ReportRow::left_out(target, &plan.tenant, action));
        let rows: Vec<_> = of_run.chain(left_out).collect();
        let mut counts = ReportCounts::default();
        for row in &rows {
            *counts.of_mut(row.state) += 1;
        }
        Self {
            version: VERSION,
            run: stored.id.to_string(),
            tenant: plan.tenant.clone(),
            tenant_id: plan.tenant_id.clone(),
            action: action.to_owned(),
            comment: plan.action.comment().to_owned(),
            approver: approved.approver.clone(),
            ticket: approved.ticket.clone(),
            reverts: plan.reverts.clone(),
            halted: stored.halted.clone(),
            counts,
            rows,
        }
    }

    /// Returns the rows in a state.
    pub fn in_state(&self, state: ReportState) -> impl Iterator<Item = &ReportRow> {
        self.rows.iter().filter(move |row| row.state == state)
    }
}

impl ReportCounts {
    fn of_mut(&mut self, state: ReportState) -> &mut u32 {
        match state {
            ReportState::Planned => &mut self.planned,
            ReportState::Sending => &mut self.sending,
            ReportState::Submitted => &mut self.submitted,
            ReportState::Succeeded => &mut self.succeeded,
            ReportState::Failed => &mut self.failed,
            ReportState::Unknown => &mut self.unknown,
            ReportState::LeftOut => &mut self.left_out,
        }
    }

    /// Returns the number of machines that have not ended.
    #[must_use]
    pub const fn open(&self) -> u32 {
        self.planned + self.sending + self.submitted
    }

    /// Returns the number of machines of the run.
    #[must_use]
    pub const fn machines(&self) -> u32 {
        self.open() + self.succeeded + self.failed + self.unknown
    }
}

impl ReportState {
    /// Returns the name of the state in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sending => "sending",
            Self::Submitted => "submitted",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::LeftOut => "left out",
        }
    }
}

impl fmt::Display for ReportState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<RowState> for ReportState {
    fn from(state: RowState) -> Self {
        match state {
            RowState::Planned => Self::Planned,
            RowState::Sending => Self::Sending,
            RowState::Submitted => Self::Submitted,
            RowState::Succeeded => Self::Succeeded,
            RowState::Failed => Self::Failed,
            RowState::Unknown => Self::Unknown,
        }
    }
}

impl ReportRow {
    /// Returns whether the action may have been done without the state of the row showing it: the row is unknown, or it is
    /// planned again or has failed after an attempt whose outcome is unknown.
    #[must_use]
    pub fn has_unknown_outcome(&self) -> bool {
        let last = || RowAttempt {
            key: self.key.clone().unwrap_or_default(),
            status: self.status.clone(),
            action_id: self.action_id.clone(),
            error: self.error.clone(),
            ..RowAttempt::default()
        };
        match self.state {
            ReportState::Unknown => true,
            ReportState::Planned | ReportState::Sending | ReportState::Failed => {
                !open_attempts(&self.earlier, &last()).is_empty()
            }
            ReportState::Submitted | ReportState::Succeeded | ReportState::LeftOut => false,
        }
    }

    fn of(run: &RunId, row: &StoredRow, document: &RowDocument, tenant: &str, action: &str) -> Self {
        let mut document = document.clone();
        let attempts = if row.state == RowState::Sending {
            // The document is written after the request. Until then the journal has the attempt, under this key.
            document.begin(row.attempt, claim::key(run, row.index, row.attempt));
            row.attempt
        } else {
            let begun = document.attempt.number;
            // The retry that no worker has begun.
            document.begin(row.attempt, String::new());
            begun
        };
        let unknown = document.unknown_attempt().filter(|_| row.state == RowState::Planned);
        let RowDocument { machine_id, name, attempt, earlier, .. } = document;
        Self {
            tenant: tenant.to_owned(),
            machine_id: Some(machine_id),
            machine: name,
            action: action.to_owned(),
            state: row.state.into(),
            origin: attempt.origin,
            status: attempt.status,
            action_id: attempt.action_id,
            error: attempt.error.or(unknown),
            wave: Some(row.wave),
            attempts,
            worker: attempt.worker,
            key: Some(attempt.key).filter(|key| !key.is_empty()),
            started_at: attempt.started_at,
            submitted_at: attempt.submitted_at,
            ended_at: attempt.ended_at,
            earlier,
        }
    }

    fn left_out(target: &LeftOut, tenant: &str, action: &str) -> Self {
        Self {
            tenant: tenant.to_owned(),
            machine_id: target.machine_id.clone(),
            machine: Some(target.name.as_ref().unwrap_or(&target.target).clone()),
            action: action.to_owned(),
            state: ReportState::LeftOut,
            origin: None,
            status: None,
            action_id: None,
            error: Some(RowError::of_left_out(target)),
            wave: None,
            attempts: 0,
            worker: None,
            key: None,
            started_at: None,
            submitted_at: None,
            ended_at: None,
            earlier: Vec::new(),
        }
    }
}

impl fmt::Display for Report {
    /// Writes the counts, and each row that did not succeed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, tenant, action, ticket, approver, counts, .. } = self;
        writeln!(f, "run {run}: {action} in tenant {tenant}, {ticket}, approved by {approver}")?;
        let ReportCounts { succeeded, failed, unknown, left_out, .. } = counts;
        let (machines, open) = (counts.machines(), counts.open());
        write!(f, "{machines} machines: {succeeded} succeeded, {failed} failed, {unknown} unknown, {open} not done")?;
        writeln!(f, "; {left_out} left out")?;
        if let Some(reason) = &self.halted {
            writeln!(f, "halted: {reason}")?;
        }
        for row in self.rows.iter().filter(|row| row.state != ReportState::Succeeded) {
            let id = row.machine_id.as_ref().map(MachineId::as_str);
            let machine = row.machine.as_deref().or(id).unwrap_or("?");
            let error = row.error.as_ref().map(|error| format!(": {}", error.message)).unwrap_or_default();
            // Names of machines and targets come from outside.
            writeln!(f, "{}", sanitize_line(&format!("{machine} {}{error}", row.state), SHOWN))?;
        }
        Ok(())
    }
}
