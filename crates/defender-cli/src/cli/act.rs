//! The way of a verb: plan, confirmation, run, report.

use clap::Args;
use defender_fleet::Plan;

use super::{
    confirm::confirm,
    decisions::{decisions, exit_of_left_out, summary},
    follow::follow,
    repeat::{other_run, refuse_repeat, refuse_second},
    signals::Signals,
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
    pub(super) dry_run: bool,
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
        return show(output, &plan);
    }
    start(session, output, plan, approval, confirmed).await
}

/// Shows a plan. Nothing is sent.
fn show(output: Output, plan: &Plan) -> Result<Exit, Failure> {
    talk::say(&summary(plan));
    output.print(&decisions(plan))?;
    talk::say("Nothing was sent.");
    Ok(exit_of_left_out(plan))
}

/// Runs a plan once it is confirmed, and prints the report.
async fn start(
    session: &Session,
    output: Output,
    plan: Plan,
    approval: Approval,
    confirmed: Confirmed,
) -> Result<Exit, Failure> {
    talk::say(whole(&plan).trim_end());
    if plan.rows.is_empty() {
        talk::say("No machine is left to act on. Nothing was sent.");
        return Ok(exit_of_left_out(&plan));
    }
    refuse(&plan)?;
    plan.check(&session.fleet)?;
    // From here on, so that no Ctrl-C between the prompt and the run is lost.
    let mut signals = Signals::listen()?;
    let machines = plan.rows.len();
    confirm(&mut signals, (machines, "machine"), &prompt(&plan, machines), confirmed.yes).await?;
    let ticket = approval.ticket.unwrap_or_else(|| plan.action.comment().to_owned());
    let approver = approval.approver.unwrap_or_else(user);
    // Another person may have applied the plan since it was shown.
    signals.before_sending(refuse_repeat(session, &plan)).await?;
    let plan = plan.approved_by(approver, ticket)?;
    let run = signals.before_sending(session.fleet.start(&plan)).await?;
    let other = signals.before_sending(other_run(session, &run)).await.inspect_err(|_| {
        talk::say(&format!("Run {} is stored, and nothing of it was sent. {}", run.id(), session.to_go_on(run.id())));
    })?;
    if let Some(other) = other {
        return Err(refuse_second(session, &run, &other).await);
    }
    follow(session, output, run, signals).await
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

/// Returns the words of a prompt, such as `send Isolate to 3 machines in tenant contoso`.
pub(super) fn prompt(plan: &Plan, machines: usize) -> String {
    format!("send {} to {} in tenant {}", plan.action.action_type(), counted(machines, "machine"), plan.tenant)
}

/// Most machines and left-out targets of a plan that a person is asked to read before the confirmation.
const READ: usize = 50;

/// Returns the summary of a plan with its lists. The lists of a large plan are cut.
fn whole(plan: &Plan) -> String {
    if plan.rows.len().max(plan.left_out.len()) <= READ {
        return format!("{plan:#}");
    }
    format!("{plan}All machines and targets: the same command with --dry-run")
}

/// Returns the user of this system. Services and containers often have no name of the user in the environment.
fn user() -> String {
    let named = |name: &&str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(named).unwrap_or_else(number_of_user)
}

#[cfg(target_os = "linux")]
fn number_of_user() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

#[cfg(not(target_os = "linux"))]
fn number_of_user() -> String {
    "unknown user".to_owned()
}
