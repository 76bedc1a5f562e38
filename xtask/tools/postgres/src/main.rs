//! The suite of defender-store on a real PostgreSQL server, and faults of that server.
//!
//! The server is started for this, with the defaults that a store must not depend on: isolation level `repeatable read`, and
//! `synchronous_commit` off. It is removed afterwards.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]
#![allow(clippy::disallowed_methods, reason = "a database lives in real time")]

mod bench;
mod faults;
mod journal;
mod judge;
mod proxy;
mod runs;
mod schemas;
mod suite;
mod traps;
mod workers;
mod world;

use std::{ffi::OsString, process::ExitCode, time::Instant};

use lexopt::{Arg, Parser};
use tokio::signal::unix::{SignalKind, signal};
use xtask::Failure;

use postgres_suite::server::{Server, broken};

use self::world::{Check, World};

const HELP: &str = "\
The suite of defender-store on a PostgreSQL server that is started for it, and faults of that server.

Usage: cargo xtask postgres [NAME…]

Arguments:
  NAME        checks to run, by a part of their name; default: all

Options:
  --list      prints the names of the checks
  --figures   measures quota and journal on PostgreSQL and SQLite instead; `cargo xtask bench store`
  -h, --help  this text

The server is installed by apt-get if it is missing. It runs as the user `postgres` if this program runs as root.
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(workers::WORKER) => return workers::work(&arguments.collect::<Vec<_>>()),
        Some(journal::workers::WORKER) => return journal::workers::work(&arguments.collect::<Vec<_>>()),
        Some(journal::bench::WORKER) => return journal::bench::work(&arguments.collect::<Vec<_>>()),
        _ => {}
    }
    xtask::program(HELP, run)
}

fn run(mut arguments: Parser) -> Result<(), Failure> {
    let checks: Vec<Check> = [
        suite::CHECKS,
        schemas::CHECKS,
        traps::CHECKS,
        faults::CHECKS,
        workers::CHECKS,
        journal::traps::CHECKS,
        journal::faults::CHECKS,
        journal::workers::CHECKS,
        runs::CHECKS,
    ]
    .concat();
    let (mut names, mut is_bench) = (Vec::new(), false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Value(name) => names.push(name),
            Arg::Long("list") => {
                for (name, _) in checks {
                    println!("{name}");
                }
                return Ok(());
            }
            Arg::Long("figures") => is_bench = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let is_meant = |name: &str| {
        names.is_empty() || names.iter().any(|part: &OsString| part.to_str().is_some_and(|part| name.contains(part)))
    };
    let checks: Vec<Check> = checks.into_iter().filter(|(name, _)| is_meant(name)).collect();
    if checks.is_empty() {
        return Err(Failure::Usage("no check has this name".to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(broken("runtime"))?;
    runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate()).map_err(broken("signal"))?;
        // The server stops with the world, whichever of these ends first.
        tokio::select! {
            done = measure(), if is_bench => done,
            done = check(&checks), if !is_bench => done,
            _ = tokio::signal::ctrl_c() => Err(Failure::Check("interrupted".to_owned())),
            _ = terminated.recv() => Err(Failure::Check("terminated".to_owned())),
        }
    })
}

async fn measure() -> Result<(), Failure> {
    let mut world = World::new(Server::start()?)?;
    bench::run(&mut world).await.map_err(Failure::Check)
}

async fn check(checks: &[Check]) -> Result<(), Failure> {
    let began = Instant::now();
    let mut world = World::new(Server::start()?)?;
    eprintln!("postgres: the server runs after {:.1} s", began.elapsed().as_secs_f64());
    let mut failed = Vec::new();
    for (name, check) in checks {
        let began = Instant::now();
        match check(&mut world).await {
            Ok(()) => eprintln!("postgres: {name}: {:.1} s", began.elapsed().as_secs_f64()),
            Err(why) => {
                println!("{name}: {why}");
                failed.push(*name);
            }
        }
    }
    eprintln!("postgres: {} checks in {:.1} s", checks.len(), began.elapsed().as_secs_f64());
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Check(format!("PostgreSQL: {} failed: {}", failed.len(), failed.join(", "))))
    }
}
