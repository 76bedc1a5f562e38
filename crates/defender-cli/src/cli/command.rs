//! The commands, and the way from each to its file.

use clap::{Parser, Subcommand};

use super::{act, actions, completions, download, find, global::Global, plan, preflight, runs, state, tenants, verb};
use crate::{
    failure::{Exit, Failure},
    output::Output,
    session::Session,
};

const EXAMPLES: &str = "\
Try it without an account, on machines that do not exist:
  defender --demo
  defender --demo find --tag finance

Lift the restriction of the machines of a list, and see what happens before it does:
  defender --tenant contoso unrestrict --csv hosts.csv:name --comment 'INC-4711: cleaned' --dry-run
  defender --tenant contoso unrestrict --csv hosts.csv:name --comment 'INC-4711: cleaned' --wave 1,10,rest

Plan, have it approved, apply, and prove it:
  defender --tenant contoso plan isolate --tag ransomware --comment 'INC-4712' --out plan.json
  defender apply plan.json --dry-run
  defender apply plan.json --approver jo@contoso.example --ticket CHG-12
  defender report RUN -o csv > report.csv

Exit codes:
  0  all succeeded                    3    the outcome of an action is unknown
  1  usage or configuration           4    sign-in or permission
  2  something failed                 130  interrupted: `defender resume RUN` goes on

Data goes to stdout, everything else to stderr.";

/// Response actions of Microsoft Defender for Endpoint: plan, run in waves, halt, resume, report, revert
#[derive(Debug, Parser)]
#[command(
    name = "defender",
    version,
    after_help = EXAMPLES,
    max_term_width = 110,
    subcommand_value_name = "COMMAND"
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Act(verb::Verb<act::SendOptions>),
    /// Finds machines by name, id, tag or filter
    Find(find::Find),
    /// Lists, shows, cancels and awaits single actions
    #[command(subcommand)]
    Actions(actions::Actions),
    /// Plans an action, and writes the plan to a file
    Plan(plan::PlanCommand),
    /// Runs a plan of a file
    Apply(plan::Apply),
    /// Goes on with a run that was interrupted, halted, or whose process died
    Resume(runs::Resume),
    /// Halts a run: nothing more is sent
    Halt(runs::Halt),
    /// Does machines of a run again that failed
    Retry(runs::Retry),
    /// Reports a run, or lists the runs
    #[command(alias = "runs")]
    Report(runs::ReportCommand),
    /// Downloads what a run collected: investigation packages, and results of live response
    Download(download::DownloadCommand),
    /// Undoes what a run created
    Revert(runs::Revert),
    /// Shows which machines are isolated or restricted now
    State(state::State),
    /// Shows what the token may do, and which permission and role is missing
    Preflight(preflight::Preflight),
    /// Lists the tenants of the profiles
    #[command(after_help = crate::profile::PROFILES)]
    Tenants,
    /// Writes a completion script for a shell
    Completions(completions::Completions),
}

/// Runs a command.
pub(super) async fn dispatch(command: Command, session: &Session, output: Output) -> Result<Exit, Failure> {
    match command {
        Command::Act(verb) => act::act(verb, session, output).await,
        Command::Plan(plan) => plan.run(session, output).await,
        Command::Apply(apply) => apply.run(session, output).await,
        Command::Resume(resume) => resume.run(session, output).await,
        Command::Halt(halt) => halt.run(session).await,
        Command::Retry(retry) => retry.run(session, output).await,
        Command::Report(report) => report.run(session, output).await,
        Command::Download(download) => download.run(session, output).await,
        Command::Revert(revert) => revert.run(session, output).await,
        Command::State(state) => state.run(session, output).await,
        Command::Find(find) => find.run(session, output).await,
        Command::Actions(actions) => actions.run(session, output).await,
        Command::Preflight(preflight) => preflight.run(session, output).await,
        Command::Tenants => tenants::run(session, output),
        Command::Completions(_) => Ok(Exit::Success),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn definition_of_arguments_is_consistent() {
        Cli::command().debug_assert();
    }
}
