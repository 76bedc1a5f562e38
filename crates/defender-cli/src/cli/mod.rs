//! The command line: its arguments, one file a command, and the exit code of each.

mod act;
mod actions;
mod completions;
mod confirm;
mod find;
mod follow;
mod plan;
mod preflight;
mod report;
mod runs;
mod secret_arguments;
mod selection;
mod signals;
mod state;
mod tenants;
mod tour;
mod verb;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};

use crate::{
    failure::{Exit, Failure},
    output::{Format, Output, talk},
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
    disable_help_subcommand = true,
    max_term_width = 110,
    subcommand_value_name = "COMMAND"
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Tenant, by its exact name in the profiles; there is no default [env: DEFENDER_TENANT]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// Profiles of the tenants [default: defender/tenants.toml in the user's config folder]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tenants: Option<PathBuf>,
    /// Journal and runs: an SQLite file, or postgres://HOST/DATABASE [default: defender/runs.db in the user's state folder]
    /// [env: DEFENDER_STORE]
    #[arg(long, global = true, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
    /// Format of the data on stdout
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Uses an emulator inside this process: no account is needed, and no real machine is touched
    #[arg(long, global = true)]
    pub(crate) demo: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Act(verb::Verb<act::Sending>),
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
    Report(runs::ReportCommand),
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

/// Runs the program with these arguments, and returns its exit code.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let result = secret_arguments::refuse(&arguments).and_then(|()| parse(arguments)).and_then(|cli| match cli {
        Parsed::Run(cli) => execute(*cli),
        Parsed::Printed(exit) => Ok(exit),
    });
    result.unwrap_or_else(|failure| {
        talk::error(&failure.message);
        failure.exit
    })
}

enum Parsed {
    Run(Box<Cli>),
    /// Help, version or a usage error was printed.
    Printed(Exit),
}

fn parse(arguments: Vec<OsString>) -> Result<Parsed, Failure> {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => Ok(Parsed::Run(Box::new(cli))),
        Err(error) => {
            let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // A closed pipe, as of `defender --help | head -1`, is no failure.
            let _printed = error.print().and_then(|()| io::stdout().flush());
            Ok(Parsed::Printed(if is_help { Exit::Success } else { Exit::Usage }))
        }
    }
}

fn execute(cli: Cli) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    let output = Output { format: global.output };
    let command = match command {
        // These need neither profiles nor stores.
        Some(Command::Completions(completions)) => return completions.run(&mut Cli::command()),
        None if !global.demo => {
            return Err(Failure::usage(
                "no command was given; `defender --help` lists them, and `defender --demo` shows them at work",
            ));
        }
        command => command,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, format!("cannot start the runtime: {error}")))?;
    let exit = runtime.block_on(async {
        let session = Session::open(&global).await?;
        match command {
            Some(command) => dispatch(command, &session, output).await,
            None => tour::run(&session, output).await,
        }
    });
    // A thread that still reads from the terminal is not waited for.
    runtime.shutdown_background();
    exit
}

async fn dispatch(command: Command, session: &Session, output: Output) -> Result<Exit, Failure> {
    match command {
        Command::Act(verb) => act::act(verb, session, output).await,
        Command::Plan(plan) => plan.run(session, output).await,
        Command::Apply(apply) => apply.run(session, output).await,
        Command::Resume(resume) => resume.run(session, output).await,
        Command::Halt(halt) => halt.run(session).await,
        Command::Retry(retry) => retry.run(session, output).await,
        Command::Report(report) => report.run(session, output).await,
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
    use super::*;

    #[test]
    fn definition_of_arguments_is_consistent() {
        Cli::command().debug_assert();
    }
}
