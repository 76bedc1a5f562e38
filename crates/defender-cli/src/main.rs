//! The program `defender`: response actions of Microsoft Defender for Endpoint from the command line.
//!
//! `cli/` has the arguments, one file a command; `profile/` the tenants, stores and folders; `output/` the data on stdout and the talk on
//! stderr; `demo` the emulator of `--demo`.

mod cli;
mod demo;
mod failure;
mod harden;
mod output;
mod profile;
mod session;

use std::process::ExitCode;

fn main() -> ExitCode {
    harden::deny_core_dumps();
    cli::run(std::env::args_os()).into()
}
