//! Speed and calls of the client beside bare hyper, in real time or by a clock that is advanced by hand.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod clients;
mod pages;
mod server;
mod smoke;
mod wait;

use std::process::ExitCode;

use lexopt::{Arg, Parser};
use xtask::Failure;

const HELP: &str = "\
Measures, and fails if a bound is missed.

Usage: cargo xtask bench NAME

Benches:
  smoke       our transport beside a bare hyper client
  pages       a page of 10,000 actions through the client, beside bare hyper and a bare struct
  wait        waiting for a thousand actions, together and one by one: calls, and whether the quota is kept

Options:
  -h, --help  this text
";

fn main() -> ExitCode {
    xtask::program(HELP, run)
}

fn run(mut arguments: Parser) -> Result<(), Failure> {
    let Some(Arg::Value(name)) = arguments.next()? else {
        return Err(Failure::Usage("no bench was named".to_owned()));
    };
    if let Some(more) = arguments.next()? {
        return Err(more.unexpected().into());
    }
    match name.to_str() {
        Some("smoke") => smoke::run(),
        Some("pages") => pages::run(),
        Some("wait") => wait::run(),
        _ => Err(Failure::Usage(format!("there is no bench `{}`", name.display()))),
    }
}
