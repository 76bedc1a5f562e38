//! The start of the program `defender`, beside an empty program and an example of the library.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use xtask::{
    Failure,
    callgrind::executables,
    workspace::{Workspace, cargo, output},
};

/// Rounds of each pair by turns. Odd, so that there is a middle one.
const VERSIONS: usize = 301;
const DEMOS: usize = 51;
/// Largest time of `defender --version`, as a multiple of an empty program's.
const VERSION_LIMIT: f64 = 2.0;
/// Largest time of `defender --demo` to its first request, as a multiple of the example's.
const DEMO_LIMIT: f64 = 1.3;

/// Measures and prints, and fails if a bound is missed.
pub(crate) fn run() -> Result<(), Failure> {
    let root = Workspace::read()?.root;
    let (defender, example) = (built(&root)?, example(&root)?);
    let empty = empty(&root)?;
    let folder = root.join("target/bench-start");
    let version = || ended(Command::new(&defender).arg("--version"));
    let floor = || ended(&mut Command::new(&empty));
    let [ours, theirs] = medians(VERSIONS, version, floor)?;
    let version = ratio("defender --version", "an empty program", ours, theirs, VERSION_LIMIT);
    // The data comes after the first response, so that this is more than the time to the first request.
    let demo = || {
        let mut command = Command::new(&defender);
        command.args(["--demo", "find", "ws-fin-01.contoso.example", "--output", "jsonl"]);
        first_line(command.env("XDG_STATE_HOME", &folder).env("XDG_CONFIG_HOME", &folder), "{")
    };
    // The example prints a line with an arrow right before its first request.
    let library = || first_line(&mut Command::new(&example), "-->");
    let [ours, theirs] = medians(DEMOS, demo, library)?;
    let demo = ratio("defender --demo, first response", "the example, first request", ours, theirs, DEMO_LIMIT);
    match [version, demo].into_iter().flatten().collect::<Vec<_>>().as_slice() {
        [] => Ok(()),
        missed => Err(Failure::Check(missed.join("; "))),
    }
}

/// Prints two times and their ratio. Returns a sentence if the ratio is above its limit.
fn ratio(ours: &str, theirs: &str, our: Duration, their: Duration, limit: f64) -> Option<String> {
    let ratio = our.as_secs_f64() / their.as_secs_f64();
    println!("{ours}: {our:.2?}; {theirs}: {their:.2?}; ratio {ratio:.2}, at most {limit}");
    (ratio > limit)
        .then(|| format!("{ours} takes {ratio:.2} times as long as {theirs}, and at most {limit} is allowed"))
}

/// Returns the median time of two programs that run by turns.
fn medians(
    rounds: usize,
    ours: impl Fn() -> Result<Duration, Failure>,
    theirs: impl Fn() -> Result<Duration, Failure>,
) -> Result<[Duration; 2], Failure> {
    // The first round reads the programs from the disk.
    ours()?;
    theirs()?;
    let mut times = [Vec::with_capacity(rounds), Vec::with_capacity(rounds)];
    for _ in 0..rounds {
        times[0].push(ours()?);
        times[1].push(theirs()?);
    }
    Ok(times.map(|mut times| {
        times.sort_unstable();
        times.get(rounds / 2).copied().unwrap_or_default()
    }))
}

/// Returns the time from the start of a program to its end.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn ended(command: &mut Command) -> Result<Duration, Failure> {
    let began = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let time = began.elapsed();
    match status {
        Ok(status) if status.success() => Ok(time),
        Ok(status) => Err(Failure::broken("bench start", status)),
        Err(error) => Err(Failure::broken("bench start", error)),
    }
}

/// Returns the time from the start of a program to the first line of its stdout that begins so.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn first_line(command: &mut Command, beginning: &str) -> Result<Duration, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::broken("bench start", error);
    let began = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|error| failed(&error))?;
    let stdout = child.stdout.take().ok_or_else(|| failed(&"no stdout"))?;
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let found = lines.any(|line| line.starts_with(beginning));
    let time = began.elapsed();
    // The rest is not measured.
    let _ended = (child.kill(), child.wait());
    if found { Ok(time) } else { Err(failed(&format!("no line begins with `{beginning}`"))) }
}

fn built(root: &Path) -> Result<PathBuf, Failure> {
    of_cargo(root, &["--package", "defender-cli", "--bin", "defender"], "defender")
}

fn example(root: &Path) -> Result<PathBuf, Failure> {
    of_cargo(root, &["--package", "defender-actions", "--example", "remove-app-restriction"], "remove-app-restriction")
}

fn of_cargo(root: &Path, what: &[&str], name: &str) -> Result<PathBuf, Failure> {
    let mut build = cargo(root);
    build.args(["build", "--quiet", "--release", "--message-format=json"]).args(what);
    let paths = executables(&output(&mut build)?);
    paths.get(name).cloned().ok_or_else(|| Failure::Check(format!("cargo built no {name}")))
}

/// Compiles a program that does nothing.
fn empty(root: &Path) -> Result<PathBuf, Failure> {
    let folder = root.join("target/bench-start");
    let failed = |error: &dyn std::fmt::Display| Failure::broken("the empty program", error);
    std::fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
    let (source, program) = (folder.join("empty.rs"), folder.join("empty"));
    std::fs::write(&source, "fn main() {}\n").map_err(|error| failed(&error))?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut compile = Command::new(rustc);
    output(compile.current_dir(root).args(["--edition", "2024", "-O", "-o"]).arg(&program).arg(&source))?;
    Ok(program)
}
