//! Checks of the project: `cargo xtask <command>`.
//!
//! Findings go to stdout, progress to stderr. The exit code is 0 if all is well, 1 if a check failed, and 2 if the command
//! line was not understood. A command that needs the SDK or the emulator is a program of its own in `tools/`, which is
//! built when it is called for.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod actions;
mod ci;
mod claims;
mod delegate;
mod example;
mod fresh_crates;
mod fuzz;
mod instructions;
mod packages;
mod release;
mod tidy;
mod tools;

use std::process::ExitCode;

use lexopt::{Arg, Parser};
use xtask::Failure;

const HELP: &str = "\
Checks of the project.

Usage: cargo xtask <command> [options]

Commands:
  ci [--skip-tests]  everything that CI checks, side by side where that is possible
  tidy               the invariants of docs/architecture.md that no ready-made tool can check
  tools              installs cargo-deny and typos into target/tools, in pinned versions, and valgrind
  deny               dependencies, licenses and sources, by cargo-deny
  public-api         the public API against xtask/public-api, by rustdoc; WRITE_PUBLIC_API=1 writes that anew
  typos              spelling, by typos
  instructions       instructions of the client's hot paths, by callgrind; WRITE_INSTRUCTIONS=1 writes the file anew
  example            the README's first command, by itself and against the emulator's program, and the other examples
  packages           lints each published crate in its package, alone
  fresh-crates [NAME…]
                     crates outside the workspace, from packaged crates, with the `cargo add` lines of the READMEs; on Linux
  fuzz [--seconds N] [TARGET…]
                     the fuzz targets of all crates, ten minutes each, by cargo-fuzz on the nightly toolchain
  claims [--list]    each command of docs/claims.md, which shows a claim of the README or the docs; takes an hour
  release --dry-run [--quick]
                     checks of a release, and the commands that publish it; takes a day, and seconds with `--quick`
  actions            writes the table of actions into defender-model's README

Tools, each with a `--help` of its own; `--release` before the other options optimizes it:
  vectors DIR        decodes every JSON body in a folder and encodes it back
  conformance        the exchanges of defender-emulator/conformance, sent by curl to the emulator's program
  program            the program `defender` against the emulator's program: HTTP/1.1, a government cloud, a proxy, a private CA
  walkthrough        the emulator's README for other languages, run as it stands there
  judges [--short]   sign-in libraries and other clients against the emulator's program
  breaks [NAME…]     breaks each promise on purpose, in a copy, and checks that a test fails; `--check`, `--refresh`,
                     `--registry`
  campaign --seeds FROM..TO [--tls] [--steps N] [--figures FILE]
                     the promises, judged over an emulator that misbehaves
  campaign --store --seeds FROM..TO
                     journal and quota, judged over processes that are killed, on SQLite and PostgreSQL
  foreign            the client against a misbehaving server that shares no code with client or emulator
  postgres [NAME…]   the stores' suite on a PostgreSQL server that is started for it, and faults of that server
  bench NAME         speed and calls beside bare hyper: compare, start, tenants, wait, store

Options:
  -h, --help         this text, or the tool's

Exit codes: 0 all is well, 1 a check failed, 2 the command line was not understood.
";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if let Some(tool) = arguments.next().and_then(|command| delegate::Tool::of(&command)) {
        return tool.exec(arguments);
    }
    xtask::program(HELP, run)
}

fn run(mut arguments: Parser) -> Result<(), Failure> {
    let Some(Arg::Value(command)) = arguments.next()? else {
        return Err(Failure::Usage("no command was given".to_owned()));
    };
    if command == "fresh-crates" {
        let mut names = Vec::new();
        while let Some(argument) = arguments.next()? {
            let Arg::Value(name) = argument else { return Err(argument.unexpected().into()) };
            names.push(name.to_string_lossy().into_owned());
        }
        return fresh_crates::run(&names);
    }
    if command == "fuzz" {
        return fuzz::run(&mut arguments);
    }
    if command == "release" {
        let mut words = Vec::new();
        while let Some(argument) = arguments.next()? {
            let Arg::Long(word @ ("dry-run" | "quick")) = argument else { return Err(argument.unexpected().into()) };
            words.push(word.to_owned());
        }
        if !words.iter().any(|word| word == "dry-run") {
            return Err(Failure::Usage("`release` publishes nothing; give `--dry-run`".to_owned()));
        }
        return release::run(words.iter().any(|word| word == "quick"));
    }
    let option = arguments.next()?;
    match (command.to_str(), option) {
        (Some("ci"), None) => ci::run(ci::Tests::Run),
        (Some("ci"), Some(Arg::Long("skip-tests"))) => ci::run(ci::Tests::Skip),
        (Some("claims"), None) => claims::run(false),
        (Some("claims"), Some(Arg::Long("list"))) => claims::run(true),
        (Some("tidy"), None) => tidy::run(),
        (Some("tools"), None) => tools::install(),
        (Some("deny"), None) => tools::Check::Deny.run(),
        (Some("public-api"), None) => tools::Check::PublicApi.run(),
        (Some("typos"), None) => tools::Check::Typos.run(),
        (Some("instructions"), None) => instructions::run(),
        (Some("example"), None) => example::run(),
        (Some("packages"), None) => packages::check(),
        (Some("actions"), None) => actions::write(),
        (_, Some(option)) => Err(option.unexpected().into()),
        _ => Err(Failure::Usage(format!("unknown command `{}`", command.display()))),
    }
}
