//! Campaign C: worker processes on one journal and one quota, over SQLite and over PostgreSQL.
//!
//! For each seed and engine, one process has the emulators, one for each tenant, and three worker processes perform the actions. Workers
//! are killed and stopped, and the database is killed and started again, or locked. At the end the judge compares the entries of the
//! journal with the ledgers of the emulators. It believes no worker.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]
#![allow(clippy::disallowed_methods, reason = "processes and databases live in real time")]

mod client;
mod database;
mod figures;
mod fleet;
mod judge;
mod order;
mod process;
mod run_judge;
mod scaled;
mod service;
mod supervisor;
mod worker;

use std::{ops::Range, process::ExitCode, time::Instant};

use lexopt::{Arg, Parser, ValueExt};
use xtask::Failure;

use self::{
    database::Engine,
    figures::Figures,
    supervisor::{Case, Kind},
};

const HELP: &str = "\
Judges journal and shared quota over worker processes that are killed, on SQLite and on PostgreSQL.

Usage: cargo xtask campaign --store --seeds FROM..TO [options]

Options:
  --seeds FROM..TO  the seeds; TO is excluded
  --tenants N       tenants of each seed; default: 5
  --actions N       actions of each tenant; default: 200
  --engine NAME     sqlite or postgres; default: both
  --only KIND       actions or runs; default: both, one after the other
  -h, --help        this text
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(process::WORKER) => return process::main(worker::work),
        Some(process::SERVICE) => return process::main(service::serve),
        _ => {}
    }
    xtask::program(HELP, |arguments| run(&Options::read(arguments)?))
}

/// Findings of a seed that are printed.
const SHOWN: usize = 30;

struct Options {
    seeds: Range<u64>,
    tenants: u32,
    actions: u32,
    engines: Vec<Engine>,
    kinds: Vec<Kind>,
}

impl Options {
    fn read(mut arguments: Parser) -> Result<Self, Failure> {
        let mut options = Self {
            seeds: 0..0,
            tenants: 5,
            actions: 200,
            engines: vec![Engine::Sqlite, Engine::Postgres],
            kinds: vec![Kind::Actions, Kind::Runs],
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("store") => {}
                Arg::Long("seeds") => options.seeds = arguments.value()?.parse_with(range)?,
                Arg::Long("tenants") => options.tenants = arguments.value()?.parse()?,
                Arg::Long("actions") => options.actions = arguments.value()?.parse()?,
                Arg::Long("only") => {
                    options.kinds = vec![arguments.value()?.parse_with(|name| match name {
                        "actions" => Ok(Kind::Actions),
                        "runs" => Ok(Kind::Runs),
                        _ => Err("not `actions` or `runs`"),
                    })?];
                }
                Arg::Long("engine") => options.engines = vec![arguments.value()?.parse_with(Engine::of)?],
                other => return Err(other.unexpected().into()),
            }
        }
        if options.seeds.is_empty() || options.tenants == 0 || options.actions == 0 {
            return Err(Failure::Usage("`--seeds FROM..TO` is missing, or a number is 0".to_owned()));
        }
        Ok(options)
    }
}

fn range(seeds: &str) -> Result<Range<u64>, String> {
    let range = seeds.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.ok_or_else(|| "not a range".to_owned())
}

fn run(options: &Options) -> Result<(), Failure> {
    // Most of its time, a seed waits for leases.
    let ran = std::thread::scope(|scope| {
        let engines: Vec<_> = options.engines.iter().map(|engine| scope.spawn(|| run_on(*engine, options))).collect();
        let ended = engines.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended
            .map(|ran| ran.unwrap_or_else(|_| Err(Failure::Check("a panic".to_owned()))))
            .collect::<Result<Vec<_>, _>>()
    })?;
    if ran.contains(&false) { Err(Failure::Check("campaign c has findings".to_owned())) } else { Ok(()) }
}

/// Runs all seeds on an engine. Returns whether nothing was found.
fn run_on(engine: Engine, options: &Options) -> Result<bool, Failure> {
    let mut is_clean = true;
    for kind in &options.kinds {
        let mut sum = Figures::default();
        for seed in options.seeds.clone() {
            let began = Instant::now();
            let Options { tenants, actions, .. } = *options;
            let case = Case { engine, kind: *kind, seed, tenants, actions };
            let (figures, findings) = supervisor::run(case)?;
            let seconds = began.elapsed().as_secs_f64();
            eprintln!("campaign c: {engine:?}, {kind:?}, seed {seed}: {seconds:.0} s, {figures}");
            for finding in findings.iter().take(SHOWN) {
                println!("campaign c: {engine:?}, {kind:?}, seed {seed}: {finding}");
            }
            is_clean &= findings.is_empty();
            sum.add(&figures);
        }
        println!("campaign c, {engine:?}, {kind:?}: {sum}");
        if let Some(missing) = sum.proves_nothing() {
            println!("campaign c, {engine:?}, {kind:?}: {missing}, so that it proves nothing");
            is_clean = false;
        }
    }
    Ok(is_clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_engine_are_read() {
        let read = |line: &str| Options::read(Parser::from_args(line.split_whitespace()));
        let options = read("--store --seeds 3..5 --engine sqlite --tenants 50").unwrap();
        assert_eq!((options.seeds, options.tenants, options.actions), (3..5, 50, 200));
        assert_eq!(options.engines, [Engine::Sqlite]);
        for wrong in ["--store", "--seeds 5..5", "--seeds 1..2 --engine mysql", "--seeds 1..2 --tenants 0", "--steps 1"]
        {
            assert!(matches!(read(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
    }
}
