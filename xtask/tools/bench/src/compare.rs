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

use crate::server::{Protocol, Server};

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
    sizes(&programs)?;
    packages(&root)
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
        let stripped = std::env::temp_dir().join(format!("compare-stripped-{}", std::process::id()));
        output(Command::new("strip").arg("-o").arg(&stripped).arg(&program.path))?;
        let size = std::fs::metadata(&stripped).and_then(|file| std::fs::remove_file(&stripped).map(|()| file.len()));
        let size = size.map_err(|error| Failure::broken(stripped.display(), error))?;
        println!("  {:<30} {:>7.2}", program.name, f64::from(u32::try_from(size).unwrap_or(u32::MAX)) / 1e6);
    }
    println!();
    Ok(())
}

fn packages(root: &Path) -> Result<(), Failure> {
    println!("Packages in the tree of `defender-actions`, this one included");
    for (name, features) in [("hyper, ring", "hyper,ring"), ("hyper, aws-lc-rs", "hyper,aws-lc-rs")] {
        let mut tree = cargo(root);
        tree.args([
            "tree",
            "--package",
            "defender-actions",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--no-default-features",
        ]);
        let tree = output(tree.args(["--features", features, "--format", "{p}"]))?;
        let names: std::collections::BTreeSet<_> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        println!("  {name:<30} {:>7}", names.len());
    }
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
