//! The calls of a user, beside bare hyper and reqwest: each a program of its own in the package `compare`, all before the same server.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use xtask::{
    Failure,
    callgrind::{Counts, executables},
    workspace::{Workspace, cargo, output},
};

use crate::{
    builds::{self, stripped_size},
    server::{Protocol, Server},
};

/// The programs, the first of which is the floor.
const PROGRAMS: [(&str, &str); 4] = [
    ("compare-floor", "floor"),
    ("compare-lossless", "floor, our headers, lossless"),
    ("compare-peer", "reqwest"),
    ("compare-ours", "ours"),
];

/// Number of calls that are under way.
const LOADS: [usize; 3] = [1, 32, 256];
/// Rounds of each program by turns. Odd, so that there is a middle one.
const ROUNDS: usize = 15;
/// Number of tenants, and for how long they call.
const TENANTS: u32 = 1_000;
const SECONDS: u32 = 30;

/// Cost of the calls of a program, as it prints it.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Cost {
    /// CPU time from the start of the process to the first responses, in nanoseconds.
    start: f64,
    /// CPU time of the calls after them, in nanoseconds.
    calls: f64,
    /// Page faults of these calls.
    faults: f64,
    /// Peak memory, in KiB.
    peak: f64,
}

/// Measures and prints.
pub(crate) fn run() -> Result<(), Failure> {
    let root = Workspace::read()?.root;
    let mut build = cargo(&root);
    build.args(["build", "--quiet", "--profile", "bench", "--package", "compare", "--bins", "--message-format=json"]);
    let paths = executables(&output(&mut build)?);
    let programs = PROGRAMS.into_iter().map(|(program, name)| {
        let path = paths.get(program).ok_or_else(|| Failure::Check(format!("cargo built no {program}")))?;
        Ok(Program { name, path: path.clone() })
    });
    let programs: Vec<_> = programs.collect::<Result<_, Failure>>()?;
    println!("Every client uses ring. Start-up is not counted, except for the first call.\n");
    for protocol in [Protocol::Http2, Protocol::Http1] {
        posts(&programs, &Live::start(protocol)?)?;
    }
    let server = Live::start(Protocol::Http2)?;
    lists(&programs, &server)?;
    first_calls(&programs, &server)?;
    tokens(&paths)?;
    wait(&root)?;
    tenants(&programs, &server)?;
    sizes(&programs)?;
    builds::run(&root)
}

/// One of the compared programs.
struct Program {
    name: &'static str,
    path: PathBuf,
}

impl Program {
    fn cost(&self, arguments: &[String]) -> Result<Cost, Failure> {
        let printed = output(Command::new(&self.path).args(arguments))?;
        serde_json::from_str(&printed).map_err(|error| Failure::broken(self.name, error))
    }
}

fn posts(programs: &[Program], server: &Live) -> Result<(), Failure> {
    let name = server.server.protocol.name();
    for token in [1_500, 64] {
        println!("POST over {name}, 32 at a time, token of {token} characters: instructions and allocations of a call");
        let mut floor = None;
        for program in programs {
            let post = |count| server.arguments(&format!("post {count} 32 {token}"));
            let Counts { instructions, allocations } = Counts::each(&program.path, post, (200, 1_200))?;
            let ratio = instructions / *floor.get_or_insert(instructions);
            println!("  {:<30} {instructions:>9.0} {ratio:>6.2} {allocations:>6.1}", program.name);
        }
    }
    println!("POST over {name}: CPU time of a call in us, by calls at a time, and its ratio to the floor's");
    let mut rows: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for at_a_time in LOADS {
        let calls = if at_a_time == 1 { 500 } else { 2_000 };
        let costs = by_turns(programs, &server.arguments(&format!("post {calls} {at_a_time}")))?;
        for (index, (times, ratios)) in compared(&costs, |cost| cost.calls / 1e3 / f64::from(calls)).enumerate() {
            rows.entry(index).or_default().push(format!("{at_a_time:>5}: {times:>7.1} {ratios:>5.2}"));
        }
    }
    for (index, program) in programs.iter().enumerate() {
        println!("  {:<30} {}", program.name, rows.get(&index).map(|row| row.join(" ")).unwrap_or_default());
    }
    println!();
    Ok(())
}

fn lists(programs: &[Program], server: &Live) -> Result<(), Failure> {
    const LISTS: u32 = 10;
    println!("List of 10,000 actions: million instructions, CPU time in ms, page faults, peak memory in MiB");
    let costs = by_turns(programs, &server.arguments(&format!("list {LISTS}")))?;
    let (mut floor, lists) = (None, f64::from(LISTS));
    let times = compared(&costs, |cost| cost.calls / 1e6 / lists);
    for (index, (program, (time, ratio))) in programs.iter().zip(times).enumerate() {
        let list = |count| server.arguments(&format!("list {count}"));
        let instructions = Counts::each(&program.path, list, (1, 3))?.instructions;
        let instructions_ratio = instructions / *floor.get_or_insert(instructions);
        let of = |field: fn(&Cost) -> f64| median(costs.iter().filter_map(|round| round.get(index)).map(field));
        let (faults, peak) = (of(|cost| cost.faults) / lists, of(|cost| cost.peak) / 1_024.0);
        let millions = instructions / 1e6;
        println!(
            "  {:<30} {millions:>7.1} {instructions_ratio:>5.2} {time:>7.1} {ratio:>5.2} {faults:>7.0} {peak:>6.1}",
            program.name
        );
    }
    println!();
    Ok(())
}

fn first_calls(programs: &[Program], server: &Live) -> Result<(), Failure> {
    println!("From the start of the process to the first 201: CPU time in ms");
    let costs = by_turns(programs, &server.arguments("post 1 1"))?;
    for (program, (time, ratio)) in programs.iter().zip(compared(&costs, |cost| cost.start / 1e6)) {
        println!("  {:<30} {time:>7.2} {ratio:>5.2}", program.name);
    }
    println!();
    Ok(())
}

fn sizes(programs: &[Program]) -> Result<(), Failure> {
    println!("Size of the stripped program in MB");
    for program in programs {
        println!("  {:<30} {:>7.2}", program.name, stripped_size(&program.path)?);
    }
    println!();
    Ok(())
}

/// Prints what many tenants cost, each with a client of its own and its full quota.
fn tenants(programs: &[Program], server: &Live) -> Result<(), Failure> {
    /// Milliseconds between two calls of a tenant.
    const BETWEEN: u32 = 600;
    println!(
        "{TENANTS} tenants at full quota for {SECONDS} s: CPU time of a call in us, KiB of a tenant, tenants per core by 100 calls \
         a minute and by 1,500 an hour"
    );
    let calls = f64::from(TENANTS) * f64::from(SECONDS * 1_000 / BETWEEN + 1);
    for program in programs {
        let (one, all) = (
            program.cost(&server.arguments("tenants 0 1"))?,
            program.cost(&server.arguments(&format!("tenants {SECONDS} {TENANTS}")))?,
        );
        let (call, memory) = (all.calls / calls, (all.peak - one.peak) / f64::from(TENANTS - 1));
        let of = |calls_in_a_second: f64| 1e9 / call / calls_in_a_second;
        println!(
            "  {:<30} {:>7.1} {memory:>7.1} {:>8.0} {:>8.0}",
            program.name,
            call / 1e3,
            of(100.0 / 60.0),
            of(1_500.0 / 3_600.0)
        );
    }
    println!();
    Ok(())
}

/// Prints the cost of a token from a cold and from a warm cache.
fn tokens(paths: &BTreeMap<String, PathBuf>) -> Result<(), Failure> {
    println!("Token of 1,500 characters by client secret, from an endpoint in memory: instructions and allocations");
    let program = paths.get("compare-tokens").ok_or_else(|| Failure::Check("cargo built no program".to_owned()))?;
    for (cache, counts) in [("cold", (50, 250)), ("warm", (1_000, 11_000))] {
        let arguments = |count: usize| [cache, &count.to_string()].map(str::to_owned).to_vec();
        let Counts { instructions, allocations } = Counts::each(program, arguments, counts)?;
        println!("  {cache:<30} {instructions:>9.0} {allocations:>6.1}");
    }
    println!();
    Ok(())
}

/// Prints the cost of waiting for a thousand actions, over a transport in memory.
fn wait(root: &Path) -> Result<(), Failure> {
    let mut build = cargo(root);
    build.args(["build", "--quiet", "--release", "--package", "instructions", "--message-format=json"]);
    let programs = executables(&output(&mut build)?);
    let program = programs.get("instructions").ok_or_else(|| Failure::Check("cargo built no program".to_owned()))?;
    let of = |count: usize| Counts::of(program, &["wait".to_owned(), count.to_string()]);
    let (all, none) = (of(1_000)?, of(0)?);
    let millions = (all.instructions - none.instructions) / 1e6;
    println!("Wait for 1,000 actions together, until all have ended: {millions:.1} million instructions; calls:");
    crate::wait::run()?;
    println!();
    Ok(())
}

/// Runs the programs by turns, so that other work on the machine weighs on all alike. Returns the costs of each round.
fn by_turns(programs: &[Program], arguments: &[String]) -> Result<Vec<Vec<Cost>>, Failure> {
    (0..ROUNDS).map(|_| programs.iter().map(|program| program.cost(arguments)).collect()).collect()
}

/// Returns for each program the median of a figure, and the median of its ratios to the floor's in the same round.
fn compared(costs: &[Vec<Cost>], figure: impl Fn(&Cost) -> f64) -> impl Iterator<Item = (f64, f64)> {
    (0..PROGRAMS.len()).map(move |index| {
        let of = |round: &Vec<Cost>, index: usize| round.get(index).map_or(f64::NAN, &figure);
        let ratios = costs.iter().map(|round| of(round, index) / of(round, 0));
        (median(costs.iter().map(|round| of(round, index))), median(ratios))
    })
}

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut of: Vec<f64> = of.collect();
    of.sort_unstable_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A server, and the file with its CA.
struct Live {
    server: Server,
    ca: PathBuf,
}

impl Live {
    fn start(protocol: Protocol) -> Result<Self, Failure> {
        let server = Server::start(protocol).map_err(|error| Failure::broken("the server", error))?;
        let ca = std::env::temp_dir().join(format!("compare-{}-{}.pem", std::process::id(), protocol.name().len()));
        std::fs::write(&ca, &server.ca_pem).map_err(|error| Failure::broken(ca.display(), error))?;
        Ok(Self { server, ca })
    }

    /// Arguments of a program that makes these calls.
    fn arguments(&self, calls: &str) -> Vec<String> {
        let first = [format!("https://{}", self.server.authority), self.ca.display().to_string()];
        first.into_iter().chain(calls.split(' ').map(str::to_owned)).collect()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // A file that is left over disturbs nobody.
        let _ = std::fs::remove_file(&self.ca);
    }
}
