//! The campaign of faults: the promises, judged at scale by a driver that believes nothing that the client says until the
//! emulator's ledger agrees.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

mod arrivals;
mod asked;
mod beside;
mod by_hand;
mod canary;
mod dice;
mod evidence;
mod executor;
mod figures;
mod flow;
mod in_process;
mod judge;
mod plan;
mod service;
mod sweep;
mod tally;
mod tenant;
mod tls;
mod wall;
mod wire;
mod world;

use std::{ops::Range, path::PathBuf, process::ExitCode};

use lexopt::{Arg, Parser, ValueExt};
use xtask::{Failure, workspace};

const HELP: &str = "\
Judges the promises over an emulator that misbehaves: 200 actions of a tenant for each seed.

Usage: cargo xtask campaign --seeds FROM..TO [options]

Options:
  --seeds FROM..TO  the seeds, without the last
  --tls             emulator and client in two processes that are killed at random, over real TLS; otherwise both in
                    this process, by a clock that is advanced by hand
  --steps N         only the first N actions of each seed, told in full and without figures, to see a failure again
  --figures FILE    where the sums are kept, so that no seed is run twice; default: target/campaign/a.json, with
                    --tls b.json
  --anew            forgets the sums first
  -h, --help        this text
";

fn main() -> ExitCode {
    xtask::program(HELP, |mut arguments| {
        // What the campaign over TLS starts and kills.
        if arguments.try_raw_args().and_then(|mut raw| raw.next_if(|word| word == tls::WORKER)).is_some() {
            return tls::work();
        }
        run(&Options::read(arguments)?)
    })
}

fn run(options: &Options) -> Result<(), Failure> {
    if options.tls {
        return sweep::run(options, &tls::Tls::new()?);
    }
    sweep::run(options, &in_process::InProcess)
}

/// What is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Options {
    seeds: Range<u64>,
    /// Emulator and client in two processes, over real TLS.
    tls: bool,
    /// Only the first steps of each seed.
    steps: Option<u32>,
    /// Where the figures are kept.
    figures: Option<PathBuf>,
    /// Whether they are forgotten first.
    anew: bool,
}

impl Options {
    fn read(mut arguments: Parser) -> Result<Self, Failure> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("seeds") => options.seeds = arguments.value()?.parse_with(range)?,
                Arg::Long("steps") => options.steps = Some(arguments.value()?.parse()?),
                Arg::Long("figures") => options.figures = Some(arguments.value()?.into()),
                Arg::Long("tls") => options.tls = true,
                Arg::Long("anew") => options.anew = true,
                other => return Err(other.unexpected().into()),
            }
        }
        let wrong = |what: &str| Err(Failure::Usage(what.to_owned()));
        if options.seeds.is_empty() {
            return wrong("`campaign` needs `--seeds FROM..TO`, two numbers of which the first is the smaller");
        }
        if options.steps == Some(0) || options.steps.is_some() && options.figures.is_some() {
            return wrong("`--steps` is a number above 0, and without `--figures`, since it adds to none");
        }
        Ok(options)
    }
}

fn range(seeds: &str) -> Result<Range<u64>, String> {
    let range = seeds.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.ok_or_else(|| "not a range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, Failure> {
        Options::read(Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn seeds_are_a_range_and_steps_a_number() {
        let options = Options { seeds: 3..17, steps: Some(43), ..Options::default() };
        assert_eq!(read("--seeds 3..17 --steps 43"), Ok(options));
    }

    #[test]
    fn what_is_no_range_or_no_number_is_not_understood() {
        for seeds in ["", "3", "3..", "..3", "3..3", "4..3", "a..b", "-1..3", "1...3"] {
            assert!(matches!(read(&format!("--seeds={seeds}")), Err(Failure::Usage(_))), "{seeds}");
        }
        for rest in ["", "--seeds 1..2 --steps 0", "--seeds 1..2 --steps x", "--seeds 1..2 --steps 3 --figures f"] {
            assert!(matches!(read(rest), Err(Failure::Usage(_))), "{rest}");
        }
    }
}
