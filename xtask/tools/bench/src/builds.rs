//! Cost of building each crate: CPU time, packages, and size of a program.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use xtask::{
    Failure,
    callgrind::executables,
    workspace::{cargo, output},
};

/// Crates, and the features with which they are built.
const BUILDS: [(&str, &str); 5] = [
    ("defender-model", ""),
    ("defender-transport", "hyper,ring"),
    ("defender-auth", "ring"),
    ("defender-actions", "hyper,ring"),
    ("defender-actions", "hyper,aws-lc-rs,certificate,browser,azure-cli"),
];

/// Features that are added to the program with `hyper`, `ring` and one credential.
const ADDED: [&str; 4] = ["", "tracing", "certificate,browser,azure-cli", "aws-lc-rs"];

/// Number of clock ticks of Linux in a second, in `/proc`.
const TICKS: f64 = 100.0;

/// Builds and prints.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    println!("CPU time in s of the first build in the profile `dev`, and packages in the tree, the crate included");
    for (name, features) in BUILDS {
        let (time, packages) = (build_time(root, name, features)?, packages(root, name, features)?);
        println!("  {:<75} {time:>7.0} {packages:>5}", format!("{name} [{features}]"));
    }
    println!(
        "\nSize in MB of the stripped program `compare-ours` in the profile `release`, with hyper, ring and one credential"
    );
    for features in ADDED {
        println!("  {:<75} {:>7.2}", format!("+ {features}"), program_size(root, features)?);
    }
    println!();
    Ok(())
}

/// Builds a crate with its dependencies in an empty folder.
fn build_time(root: &Path, name: &str, features: &str) -> Result<f64, Failure> {
    let target = std::env::temp_dir().join(format!("compare-build-{}", std::process::id()));
    let before = children_time()?;
    let mut build = cargo(root);
    build.args(["build", "--quiet", "--lib", "--package", name, "--no-default-features", "--features", features]);
    let outcome = output(build.arg("--target-dir").arg(&target));
    let time = children_time()?;
    fs::remove_dir_all(&target).map_err(|error| Failure::broken(target.display(), error))?;
    outcome.map(|_| time - before)
}

/// CPU time of the processes that this one has waited for, and of theirs.
fn children_time() -> Result<f64, Failure> {
    let broken = |error: &str| Failure::broken("/proc/self/stat", error);
    let stat = fs::read_to_string("/proc/self/stat").map_err(|error| broken(&error.to_string()))?;
    // The second field is the name of the program in parentheses; the fourteenth after it is the user time of the children.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = after_name.split_whitespace().skip(13).take(2);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    if ticks.len() == 2 { Ok(ticks.iter().sum::<f64>() / TICKS) } else { Err(broken("it is too short")) }
}

fn packages(root: &Path, name: &str, features: &str) -> Result<usize, Failure> {
    let mut tree = cargo(root);
    tree.args(["tree", "--package", name, "--edges", "normal", "--prefix", "none", "--no-default-features"]);
    let tree = output(tree.args(["--features", features, "--format", "{p}"]))?;
    Ok(tree.lines().map(|line| line.trim_end_matches(" (*)")).collect::<BTreeSet<_>>().len())
}

fn program_size(root: &Path, features: &str) -> Result<f64, Failure> {
    let mut build = cargo(root);
    build.args(["build", "--quiet", "--release", "--package", "compare", "--bin", "compare-ours"]);
    let programs = executables(&output(build.args(["--features", features, "--message-format=json"]))?);
    let program = programs.get("compare-ours").ok_or_else(|| Failure::Check("cargo built no program".to_owned()))?;
    stripped_size(program)
}

/// Returns the size of a program without its symbols, in MB.
pub(crate) fn stripped_size(program: &Path) -> Result<f64, Failure> {
    let stripped = std::env::temp_dir().join(format!("compare-stripped-{}", std::process::id()));
    output(Command::new("strip").arg("-o").arg(&stripped).arg(program))?;
    let size = fs::metadata(&stripped).and_then(|file| fs::remove_file(&stripped).map(|()| file.len()));
    let size = size.map_err(|error| Failure::broken(stripped.display(), error))?;
    Ok(f64::from(u32::try_from(size).unwrap_or(u32::MAX)) / 1e6)
}
