//! `defender plan` and `defender apply`: a plan as a file, which another person can read and approve.

use std::path::PathBuf;

use clap::Args;
use defender_fleet::{LeftOut, LeftOutReason, Plan, PlanRow};
use serde::Serialize;

use super::{
    act::{Approval, Confirmed, start},
    verb::Verb,
};
use crate::{
    failure::{Exit, Failure},
    output::{Output, Record, talk},
    session::Session,
};

const PLAN_EXAMPLES: &str = "\
Machines and their history are read, and nothing is changed. The plan lapses after an hour.

Examples:
  defender --tenant contoso plan isolate --tag ransomware --comment 'INC-4712' --out plan.json
  defender --tenant contoso plan unrestrict --csv hosts.csv:name --comment 'INC-4711' --wave 1,10,rest --halt-after 3 --out plan.json
  defender apply plan.json --approver jo@contoso.example --ticket CHG-12

Exit codes: 0 the plan is written, 2 it is written and a target was left out because it cannot be acted on, 4 sign-in or permission.";

const APPLY_EXAMPLES: &str = "\
A plan that was changed, has lapsed, or is for another tenant is refused.

Examples:
  defender apply plan.json
  defender apply plan.json --approver jo@contoso.example --ticket CHG-12 --yes -o csv > report.csv";

/// Makes a plan and writes it to a file.
#[derive(Args, Debug)]
#[command(after_help = PLAN_EXAMPLES, subcommand_value_name = "ACTION", subcommand_help_heading = "Actions")]
pub(super) struct PlanCommand {
    #[command(subcommand)]
    verb: Verb<Out>,
}

#[derive(Args, Debug)]
pub(super) struct Out {
    /// File of the plan, which only its owner can read
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Runs a plan of a file.
#[derive(Args, Debug)]
#[command(after_help = APPLY_EXAMPLES)]
pub(super) struct Apply {
    /// File of the plan
    plan: PathBuf,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    confirmed: Confirmed,
}

impl PlanCommand {
    pub(super) async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let (action, selection, Out { out }) = self.verb.parts()?;
        let plan = selection.resolve(session, action).await?;
        plan.save(&out)?;
        talk::say(&summary(&plan));
        output.print(&decisions(&plan))?;
        talk::say(&format!("The plan is in {0}. Run it by: defender apply {0}", out.display()));
        Ok(exit_of_left_out(&plan))
    }
}

impl Apply {
    pub(super) async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let plan = Plan::load(&self.plan)?;
        start(session, output, plan, self.approval, self.confirmed).await
    }
}

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
    let left_out = plan.left_out.iter().map(|LeftOut { target, source, machine_id, reason, .. }| DecisionRow {
        tenant,
        action,
        decision: reason.name(),
        wave: None,
        machine_id: machine_id.as_ref().map(defender_actions::model::MachineId::as_str),
        machine: Some(target),
        target: Some(target),
        source: source.as_deref(),
        detail: reason.to_string(),
    });
    planned.chain(left_out).collect()
}

/// Returns the summary of a plan without its lists.
pub(super) fn summary(plan: &Plan) -> String {
    let text = plan.to_string();
    let head = text.lines().take_while(|line| !line.starts_with("left out:") && !line.starts_with("machines:"));
    head.collect::<Vec<_>>().join("\n")
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
