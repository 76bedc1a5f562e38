//! Speed and calls of the client beside bare hyper, in real time or by a clock that is advanced by hand.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod builds;
mod compare;
mod server;
mod start;
mod tenants;
mod wait;

use std::process::ExitCode;

use lexopt::{Arg, Parser};
use xtask::{
    Failure,
    workspace::{Workspace, cargo},
};

const HELP: &str = "\
Measures, and fails if a bound is missed.

Usage: cargo xtask bench NAME

Benches:
  compare     a call of the client beside bare hyper and reqwest: instructions, allocations, CPU time, memory; tokens, waits,
              tenants, builds
  wait        waiting for a thousand actions, together and one by one: calls, and whether the quota is kept
  tenants     2,000 tenants in one process: memory, beside a process with one
  start       the program `defender`: `--version` beside an empty program, `--demo` beside an example
  store       the quota on PostgreSQL and SQLite, beside a bare INSERT; starts a server

Options:
  -h, --help  this text
";

fn main() -> ExitCode {
    match server::serve_if_asked().and_then(|served| Ok(served || tenants::hold_if_asked()?)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => xtask::program(HELP, run),
        Err(error) => {
            eprintln!("a process of a bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: Parser) -> Result<(), Failure> {
    let Some(Arg::Value(name)) = arguments.next()? else {
        return Err(Failure::Usage("no bench was named".to_owned()));
    };
    if let Some(more) = arguments.next()? {
        return Err(more.unexpected().into());
    }
    match name.to_str() {
        Some("compare") => compare::run(),
        Some("store") => {
            let mut figures = cargo(&Workspace::read()?.root);
            figures.args(["run", "--quiet", "--release", "--package", "postgres-suite", "--", "--figures"]);
            let status = figures.status().map_err(|error| Failure::broken("bench store", error))?;
            if status.success() { Ok(()) } else { Err(Failure::broken("bench store", status)) }
        }
        Some("start") => start::run(),
        Some("tenants") => tenants::run(),
        Some("wait") => wait::run(),
        _ => Err(Failure::Usage(format!("unknown bench `{}`", name.display()))),
    }
}
