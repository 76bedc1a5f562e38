//! The command line: its arguments, one file a command, and the exit code of each.

mod act;
mod actions;
mod awaited;
mod command;
mod completions;
mod confirm;
mod decisions;
mod download;
mod find;
mod follow;
pub(crate) mod global;
mod long_wait;
mod plan;
mod preflight;
mod readable;
mod repeat;
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
};

use clap::{CommandFactory, Parser, error::ErrorKind};

use self::command::{Cli, Command, dispatch};
use crate::{
    failure::{Exit, Failure},
    output::{Output, talk},
    session::Session,
};

/// Runs the program with these arguments, and returns its exit code.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let result = secret_arguments::refuse(&arguments).and_then(|()| match parse(arguments) {
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

fn parse(arguments: Vec<OsString>) -> Parsed {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => Parsed::Run(Box::new(cli)),
        Err(error) => {
            let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // A closed pipe, as of `defender --help | head -1`, is no failure.
            let _printed = error.print().and_then(|()| io::stdout().flush());
            Parsed::Printed(if is_help { Exit::Success } else { Exit::Usage })
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
