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
mod options;
mod plan;
mod service;
mod sweep;
mod tally;
mod tenant;
mod tls;
mod wall;
mod wire;
mod world;

use std::process::ExitCode;

use xtask::Failure;

use self::options::Options;

const HELP: &str = "\
Judges the promises over an emulator that misbehaves: 200 actions of a tenant for each seed.

Usage: cargo xtask campaign --seeds FROM..TO [options]

Options:
  --seeds FROM..TO  the seeds; TO is excluded
  --tls             emulator and client in two processes that are killed at random, over real TLS; otherwise both in
                    this process, by a clock that is advanced by hand
  --steps N         only the first N actions of each seed, printed in full and without figures, to repeat a failure
  --figures FILE    the file of the sums, so that no seed runs twice; default: target/campaign/a.json, with
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
    let campaign = if options.tls { tls::campaign()? } else { in_process::campaign() };
    sweep::run(options, &campaign)
}
