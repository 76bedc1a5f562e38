//! The report of a run as data, and its exit code.

use defender_actions::model::sanitize_line;
use defender_fleet::{Report, ReportRow, ReportState, RowAttempt, RowError, Run};
use defender_store::RunId;
use jiff::Timestamp;
use serde::Serialize;

use super::decisions::exit_of_left_out;
use crate::{
    failure::{Exit, Failure},
    output::{Output, Record, talk},
    session::Session,
};

/// Machine of a run, or a target that its plan left out.
#[derive(Serialize)]
struct MachineRow<'r> {
    run: &'r str,
    tenant: &'r str,
    tenant_id: &'r str,
    machine: Option<&'r str>,
    machine_id: Option<&'r str>,
    action: &'r str,
    state: &'static str,
    origin: Option<&'static str>,
    status: Option<String>,
    error_kind: Option<&'r str>,
    error: Option<String>,
    advice: Option<String>,
    action_id: Option<&'r str>,
    /// Wave, from 1.
    wave: Option<u32>,
    attempts: u32,
    started_at: Option<Timestamp>,
    submitted_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    ticket: &'r str,
    approver: &'r str,
    comment: &'r str,
    earlier: &'r [RowAttempt],
}

impl Record for MachineRow<'_> {
    const COLUMNS: &'static [&'static str] = &[
        "run",
        "tenant",
        "tenant_id",
        "machine",
        "machine_id",
        "action",
        "state",
        "origin",
        "status",
        "error_kind",
        "error",
        "advice",
        "action_id",
        "wave",
        "attempts",
        "started_at",
        "submitted_at",
        "ended_at",
        "ticket",
        "approver",
        "comment",
    ];
    const TABLE: &'static [&'static str] =
        &["machine", "state", "error", "wave", "origin", "attempts", "ended_at", "action_id"];
}

impl<'r> MachineRow<'r> {
    fn of(report: &'r Report, row: &'r ReportRow) -> Self {
        let error = row.error.as_ref();
        Self {
            run: &report.run,
            tenant: &row.tenant,
            tenant_id: &report.tenant_id,
            machine: row.machine.as_deref(),
            machine_id: row.machine_id.as_ref().map(defender_actions::model::MachineId::as_str),
            action: &row.action,
            state: row.state.name(),
            origin: row.origin.map(defender_fleet::RowOrigin::name),
            status: row.status.as_ref().map(ToString::to_string),
            error_kind: error.map(|error| error.kind.as_str()),
            error: error.map(|error| talk::in_options(&error.message)),
            advice: error.and_then(|error| error.advice.as_deref()).map(talk::in_options),
            action_id: row.action_id.as_ref().map(defender_actions::model::ActionId::as_str),
            wave: row.wave.map(|wave| wave + 1),
            attempts: row.attempts,
            started_at: row.started_at,
            submitted_at: row.submitted_at,
            ended_at: row.ended_at,
            ticket: &report.ticket,
            approver: &report.approver,
            comment: &report.comment,
            earlier: &row.earlier,
        }
    }
}

/// Prints the rows of a report on stdout, and its counts on stderr, also if stdout cannot be written.
pub(super) fn print(output: Output, report: &Report) -> Result<(), Failure> {
    let rows: Vec<_> = report.rows.iter().map(|row| MachineRow::of(report, row)).collect();
    let printed = output.print(&rows);
    let counts = report.counts;
    let open_before = match report.in_state(ReportState::Failed).filter(|row| row.has_unknown_outcome()).count() {
        0 => String::new(),
        open => format!(" ({open} of them after an attempt whose outcome is unknown)"),
    };
    let sent = match may_have_been_sent(report) {
        0 => String::new(),
        sent => format!(" ({sent} of them may have been sent, and may still act)"),
    };
    talk::say(&format!(
        "Run {}, {} in tenant {}: {} succeeded, {} failed{open_before}, {} unknown, {} not done{sent}, {} left out",
        report.run,
        report.action,
        report.tenant,
        counts.succeeded,
        counts.failed,
        counts.unknown,
        counts.open(),
        counts.left_out
    ));
    printed
}

/// Longest reason of a halt, in characters.
const SHOWN: usize = 200;

/// Returns the reason of a halt in one line.
pub(super) fn shown(reason: &str) -> String {
    sanitize_line(reason, SHOWN)
}

/// Says that a run is halted, and how it goes on if machines are not done.
pub(super) fn say_halt(session: &Session, report: &Report, run: &RunId) {
    let Some(reason) = &report.halted else { return };
    let to_go_on = if report.counts.open() > 0 { format!(" {}", session.to_go_on(run)) } else { String::new() };
    talk::say(&format!("Run {run} is halted: {}.{to_go_on}", shown(reason)));
}

/// Returns the number of machines that are not done and whose action may have been requested. An attempt with an unknown outcome may be that of
/// a machine that is planned again.
pub(super) fn may_have_been_sent(report: &Report) -> u32 {
    let planned = report.in_state(ReportState::Planned).filter(|row| row.has_unknown_outcome()).count();
    report.counts.sending + report.counts.submitted + u32::try_from(planned).unwrap_or(u32::MAX)
}

/// Returns the exit code of a run. Each command on the run tells of the targets that its plan leaves out.
pub(super) fn exit_of(run: &Run, report: &Report) -> Exit {
    let counts = report.counts;
    // Of a row in progress, the attempt in progress has the outcome.
    let mut idle = report.in_state(ReportState::Planned).chain(report.in_state(ReportState::Failed));
    if counts.unknown > 0 || idle.any(ReportRow::has_unknown_outcome) {
        return Exit::Unknown;
    }
    if counts.failed > 0 {
        let are_denied = report.in_state(ReportState::Failed).all(|row| row.error.as_ref().is_some_and(is_denied));
        return if are_denied { Exit::Denied } else { Exit::Failed };
    }
    if counts.open() > 0 { Exit::Failed } else { exit_of_left_out(&run.approved().plan) }
}

/// Returns whether the sign-in failed or a permission is missing.
pub(super) fn is_denied(error: &RowError) -> bool {
    matches!(error.kind.as_str(), "forbidden" | "unauthorized" | "credential")
}

/// Run of the list of runs.
#[derive(Serialize)]
struct RunRow {
    run: String,
    approved_at: Timestamp,
    tenant: String,
    action: &'static str,
    ticket: String,
    approver: String,
    machines: u32,
    succeeded: u32,
    failed: u32,
    unknown: u32,
    not_done: u32,
    halted: Option<String>,
}

impl Record for RunRow {
    const COLUMNS: &'static [&'static str] = &[
        "run",
        "approved_at",
        "tenant",
        "action",
        "ticket",
        "approver",
        "machines",
        "succeeded",
        "failed",
        "unknown",
        "not_done",
        "halted",
    ];
    const TABLE: &'static [&'static str] = Self::COLUMNS;
}

/// Prints the newest runs.
pub(super) async fn print_runs(session: &Session, output: Output, limit: usize) -> Result<(), Failure> {
    let runs = session.fleet.runs(limit).await?;
    let rows: Vec<_> = runs
        .into_iter()
        .map(|run| RunRow {
            run: run.id.to_string(),
            approved_at: run.approved_at,
            tenant: run.tenant,
            action: run.action_type,
            ticket: run.ticket,
            approver: run.approver,
            machines: run.counts.total(),
            succeeded: run.counts.succeeded,
            failed: run.counts.failed,
            unknown: run.counts.unknown,
            not_done: run.counts.open(),
            halted: run.halted,
        })
        .collect();
    output.print(&rows)?;
    if rows.is_empty() {
        talk::say(if session.is_demo() {
            "There is no run: the demonstration keeps nothing from one command to the next."
        } else {
            "The store has no run."
        });
    }
    Ok(())
}
