//! The way of a verb: plan, confirmation, run, report.

use clap::Args;
use defender_fleet::Plan;

use super::{
    confirm::confirm,
    decisions::{decisions, exit_of_left_out, summary},
    follow::follow,
    verb::Verb,
};
use crate::{
    failure::{Exit, Failure},
    output::{Output, talk, talk::counted},
    session::Session,
};

/// Person and ticket that stand in the journal and in the report.
#[derive(Args, Clone, Debug)]
pub(super) struct Approval {
    /// Person who approves [default: the user of this system]
    #[arg(long, value_name = "PERSON")]
    approver: Option<String>,
    /// Ticket of the change [default: the comment]
    #[arg(long, value_name = "TICKET")]
    ticket: Option<String>,
}

/// Confirmation of what changes machines.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Confirmed {
    /// Sends without confirmation
    #[arg(long, short)]
    pub(super) yes: bool,
}

/// Options of a verb that sends.
#[derive(Args, Debug)]
pub(super) struct SendOptions {
    /// Shows the plan, and sends nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    confirmed: Confirmed,
}

/// Plans the action, and runs the plan once it is confirmed.
pub(super) async fn act(verb: Verb<SendOptions>, session: &Session, output: Output) -> Result<Exit, Failure> {
    let (action, selection, options) = verb.parts()?;
    let plan = selection.resolve(session, action).await?;
    send(session, output, plan, options).await
}

/// Shows a plan, or runs it once it is confirmed.
pub(super) async fn send(
    session: &Session,
    output: Output,
    plan: Plan,
    SendOptions { dry_run, approval, confirmed }: SendOptions,
) -> Result<Exit, Failure> {
    if dry_run {
        talk::say(&summary(&plan));
        output.print(&decisions(&plan))?;
        talk::say("Nothing was sent.");
        return Ok(exit_of_left_out(&plan));
    }
    start(session, output, plan, approval, confirmed).await
}

/// Runs a plan once it is confirmed, and prints the report.
pub(super) async fn start(
    session: &Session,
    output: Output,
    plan: Plan,
    approval: Approval,
    confirmed: Confirmed,
) -> Result<Exit, Failure> {
    talk::say(plan.to_string().trim_end());
    if plan.rows.is_empty() {
        talk::say("No machine is left to act on. Nothing was sent.");
        return Ok(exit_of_left_out(&plan));
    }
    refuse(&plan)?;
    plan.check(&session.fleet)?;
    confirm(plan.rows.len(), "machine", confirmed.yes).await?;
    let left_out = exit_of_left_out(&plan);
    let ticket = approval.ticket.unwrap_or_else(|| plan.action.comment().to_owned());
    let approver = approval.approver.unwrap_or_else(user);
    let run = session.fleet.start(&plan.approved_by(approver, ticket)?).await?;
    let exit = follow(session, output, run).await?;
    Ok(if exit == Exit::Success { left_out } else { exit })
}

/// Refuses a plan that the service would refuse, or that is larger than its maximum.
fn refuse(plan: &Plan) -> Result<(), Failure> {
    if !plan.permissions.missing.is_empty() {
        let missing = plan.permissions.missing.join("; ");
        return Err(Failure::new(Exit::Denied, format!("nothing was sent: {missing}")));
    }
    let max = usize::try_from(plan.max_machines).unwrap_or(usize::MAX);
    if plan.rows.len() > max {
        return Err(Failure::usage(format!(
            "nothing was sent: the plan has {}, and the maximum is {max}; name fewer targets, or plan again with --max {}",
            counted(plan.rows.len(), "machine"),
            plan.rows.len()
        )));
    }
    Ok(())
}

/// Returns the user of this system.
fn user() -> String {
    let named = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    named.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "unknown user".to_owned())
}
