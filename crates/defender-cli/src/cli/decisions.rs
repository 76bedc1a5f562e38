//! Decision of a plan on each target, as data.

use defender_fleet::{LeftOut, LeftOutReason, Plan, PlanRow};
use serde::Serialize;

use crate::{failure::Exit, output::Record};

/// Target of a plan, and what the plan does with it.
#[derive(Serialize)]
pub(super) struct DecisionRow<'p> {
    tenant: &'p str,
    action: &'static str,
    /// `planned`, or the reason why the target is left out.
    decision: &'static str,
    /// Wave, from 1.
    wave: Option<u32>,
    machine_id: Option<&'p str>,
    /// Name of the machine, or the target as it was given.
    machine: Option<&'p str>,
    /// Target as it was given, if it is left out.
    target: Option<&'p str>,
    source: Option<&'p str>,
    detail: String,
}

impl Record for DecisionRow<'_> {
    const COLUMNS: &'static [&'static str] =
        &["tenant", "action", "decision", "wave", "machine_id", "machine", "target", "source", "detail"];
    const TABLE: &'static [&'static str] = &["decision", "wave", "machine", "detail", "machine_id"];
}

/// Returns a row for each machine of the plan, then one for each target that is left out.
pub(super) fn decisions(plan: &Plan) -> Vec<DecisionRow<'_>> {
    let (tenant, action) = (plan.tenant.as_str(), plan.action.action_type());
    let planned = plan.rows.iter().map(|PlanRow { machine_id, name, wave, warnings, .. }| DecisionRow {
        tenant,
        action,
        decision: "planned",
        wave: Some(wave + 1),
        machine_id: Some(machine_id.as_str()),
        machine: name.as_deref(),
        target: None,
        source: None,
        detail: warnings.join("; "),
    });
    let left_out = plan.left_out.iter().map(|LeftOut { target, source, machine_id, name, reason, .. }| DecisionRow {
        tenant,
        action,
        decision: reason.name(),
        wave: None,
        machine_id: machine_id.as_ref().map(defender_actions::model::MachineId::as_str),
        machine: Some(name.as_ref().unwrap_or(target)),
        target: Some(target),
        source: source.as_deref(),
        detail: reason.to_string(),
    });
    planned.chain(left_out).collect()
}

/// Returns the summary of a plan without its lists. It has the numbers of left-out targets.
pub(super) fn summary(plan: &Plan) -> String {
    let text = plan.to_string();
    let (head, list) = text.split_once("\nleft out:").map_or((text.as_str(), None), |(head, list)| (head, Some(list)));
    let head = head.lines().take_while(|line| !line.starts_with("machines:")).map(str::to_owned);
    let counts = list.and_then(|list| list.lines().next()).map(|counts| format!("  left out {counts}"));
    head.chain(counts).collect::<Vec<_>>().join("\n")
}

/// Returns the exit code of targets that cannot be acted on. Duplicates, exclusions and machines in the state already are no failure.
pub(super) fn exit_of_left_out(plan: &Plan) -> Exit {
    let is_failure = |left_out: &LeftOut| {
        !matches!(
            left_out.reason,
            LeftOutReason::Duplicate
                | LeftOutReason::Excluded { .. }
                | LeftOutReason::AlreadyDone { .. }
                | LeftOutReason::NotOurs { .. }
        )
    };
    if plan.left_out.iter().any(is_failure) { Exit::Failed } else { Exit::Success }
}
