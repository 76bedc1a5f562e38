//! Code that `xtask` and its tools share: exit codes, the workspace as cargo sees it, its Markdown, and the emulator's program.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "programs talk")]

pub mod callgrind;
pub mod emulator;
pub mod markdown;
pub mod workspace;

use std::process::ExitCode;

/// Reason for which a command ends badly.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// A check failed. The findings are on stdout already, and this text is a summary.
    Check(String),
    /// The command line was not understood.
    Usage(String),
}

impl Failure {
    /// Reports that a step failed without which nothing can be checked.
    pub fn broken(what: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Self::Check(format!("{what}: {error}"))
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Runs a program of the project: prints `help` if the arguments ask for it, and otherwise calls `run` with them.
///
/// The exit code is 0 if all is well, 1 if a check failed, and 2 if the command line was not understood.
pub fn program(help: &str, run: impl FnOnce(lexopt::Parser) -> Result<(), Failure>) -> ExitCode {
    if std::env::args_os().skip(1).any(|argument| argument == "--help" || argument == "-h") {
        print!("{help}");
        return ExitCode::SUCCESS;
    }
    match run(lexopt::Parser::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Check(what)) => {
            eprintln!("xtask: {what}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(what)) => {
            eprintln!("xtask: {what}; see `--help`");
            ExitCode::from(2)
        }
    }
}
