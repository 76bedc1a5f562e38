//! The steps of CI, for this machine.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Instant,
};

use xtask::{
    Failure,
    workspace::{self, Workspace},
};

use crate::{
    example, instructions, tidy,
    tools::{self, Check},
};

/// Includes or leaves out the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tests {
    Run,
    Skip,
}

const PACKAGES: &str = "packages";
/// The crates whose code, tests aside, is held to `xtask/clippy/libraries`.
const LIBRARIES: [&str; 5] =
    ["defender-model", "defender-transport", "defender-auth", "defender-actions", "defender-azure-identity"];

/// Commands of `cargo xtask` that are programs of their own.
const TOOLS: [(&str, &str); 6] = [
    ("vectors", "vectors crates/defender-model/tests/fixtures"),
    ("conformance", "conformance"),
    ("walk-through", "walkthrough"),
    ("program", "program"),
    ("judges", "judges --short"),
    ("breaks", "breaks --check"),
];
/// Commands of `cargo xtask` that wait for databases, processes and clocks more than they compute. They run at the same time.
const WAITING: [(&str, &str); 5] = [
    ("campaign", "campaign --seeds 0..100 --anew --figures target/campaign/ci-a.json"),
    ("PostgreSQL", "postgres"),
    ("campaign over TLS", "campaign --tls --seeds 0..10 --anew --figures target/campaign/ci-b.json"),
    ("campaign over stores", "campaign --store --only actions --seeds 0..1"),
    ("campaign of runs", "campaign --store --only runs --seeds 0..1 --tenants 2 --actions 60"),
];

/// One command of cargo.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    name: String,
    args: Vec<String>,
    /// A variable of the environment that it runs in.
    set: Option<(&'static str, &'static str)>,
}

impl Step {
    fn new(name: impl Into<String>, line: &str) -> Self {
        Self { name: name.into(), args: line.split_whitespace().map(str::to_owned).collect(), set: None }
    }

    fn with(mut self, variable: &'static str, value: &'static str) -> Self {
        self.set = Some((variable, value));
        self
    }

    /// Returns the command, and its line.
    fn command(&self, root: &Path) -> (Command, String) {
        let mut command = workspace::cargo(root);
        command.args(&self.args).envs(self.set);
        let set = self.set.map(|(variable, value)| format!("{variable}='{value}' ")).unwrap_or_default();
        let line = format!("{set}{}", workspace::line(&command));
        (command, line)
    }

    fn run(&self, root: &Path) -> Result<(), Failure> {
        let (mut command, line) = self.command(root);
        timed(&self.name, &line, || self.ended(&line, command.status()))
    }

    /// Runs the step, and then prints all that it said at once, since others run beside it.
    fn run_beside_others(&self, root: &Path) -> Result<(), Failure> {
        let (mut command, line) = self.command(root);
        timed(&self.name, &line, || {
            let output = command.stdin(Stdio::null()).output();
            if let Ok(output) = &output {
                let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said));
                eprintln!("ci: {} says:\n{}", self.name, said.concat());
            }
            self.ended(&line, output.map(|output| output.status))
        })
    }

    fn ended(&self, line: &str, status: io::Result<ExitStatus>) -> Result<(), Failure> {
        let failed = |why: &dyn fmt::Display| Failure::broken(format!("{}: `{line}`", self.name), why);
        let status = status.map_err(|error| failed(&error))?;
        if status.success() { Ok(()) } else { Err(failed(&status)) }
    }
}

/// Runs every step in its order, up to the first that fails.
pub(crate) fn run(tests: Tests) -> Result<(), Failure> {
    let workspace = Workspace::read()?;
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        ensure(component, subcommand, &workspace.root)?;
    }
    timed("tools", "cargo xtask tools", tools::install)?;
    timed("spelling", "cargo xtask typos", || Check::Typos.run())?;
    timed("dependencies", "cargo xtask deny", || Check::Deny.run())?;
    let crates: Vec<&str> = workspace.crates().map(|package| package.name.as_str()).collect();
    for step in steps(&crates, tests) {
        if step.name == PACKAGES {
            forget_packages(&crates, &workspace.root)?;
        }
        step.run(&workspace.root)?;
    }
    timed("public API", "cargo xtask public-api", || Check::PublicApi.run())?;
    timed("example", "cargo xtask example", example::run)?;
    timed("instructions", "cargo xtask instructions", instructions::run)?;
    for (name, line) in TOOLS {
        Step::new(name, &format!("xtask {line}")).run(&workspace.root)?;
    }
    side_by_side(&WAITING.map(|(name, line)| Step::new(name, &format!("xtask {line}"))), &workspace.root)?;
    timed("invariants", "cargo xtask tidy", tidy::run)?;
    eprintln!("ci: all is well");
    Ok(())
}

/// Runs steps at the same time, and returns the failure of the first that failed, once all have ended.
fn side_by_side(steps: &[Step], root: &Path) -> Result<(), Failure> {
    std::thread::scope(|scope| {
        let running: Vec<_> = steps.iter().map(|step| scope.spawn(|| step.run_beside_others(root))).collect();
        let ended = running.into_iter().zip(steps).map(|(thread, step)| {
            thread.join().unwrap_or_else(|_| Err(Failure::Check(format!("{}: its thread panicked", step.name))))
        });
        ended.fold(Ok(()), Result::and)
    })
}

fn steps(crates: &[&str], tests: Tests) -> Vec<Step> {
    let mut steps = vec![Step::new("format", "fmt --all --check")];
    // One crate at a time: in one build cargo adds the features of all its crates together, so that none would be
    // without what a neighbor asks for.
    for name in crates {
        let line = format!("clippy --package {name} --all-targets --no-default-features -- -D warnings");
        steps.push(Step::new(format!("lints of {name} without features"), &line));
    }
    steps.push(Step::new("lints with default features", "clippy --workspace --all-targets -- -D warnings"));
    steps.push(Step::new("lints with all features", "clippy --workspace --all-targets --all-features -- -D warnings"));
    let packages = LIBRARIES.map(|name| format!("--package {name}")).join(" ");
    let libraries =
        Step::new("lints of the libraries alone", &format!("clippy {packages} --lib --all-features -- -D warnings"));
    steps.push(libraries.with("CLIPPY_CONF_DIR", "xtask/clippy/libraries"));
    if tests == Tests::Run {
        steps.push(Step::new("tests", "test --workspace --all-features"));
    }
    // What an error states without a feature is not in a build with all features.
    steps.push(Step::new("tests of defender-auth with default features", "test --package defender-auth --lib"));
    steps.push(
        Step::new("documentation", "doc --workspace --no-deps --all-features").with("RUSTDOCFLAGS", "-D warnings"),
    );
    // Those that are published alone.
    steps.push(Step::new(PACKAGES, &format!("package --package {} --allow-dirty", crates.join(" --package "))));
    steps
}

/// Removes what an earlier packaging left of our crates. cargo takes what it has unpacked or built of a version for unchanging,
/// and so would build a crate against its siblings as they were packaged then.
fn forget_packages(crates: &[&str], root: &Path) -> Result<(), Failure> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let unpacked = home.map(|home| home.join("registry/src")).and_then(|folder| std::fs::read_dir(folder).ok());
    // A registry of packages that are not published yet has a name without a host.
    let local = unpacked.into_iter().flatten().flatten();
    for registry in local.filter(|entry| entry.file_name().to_string_lossy().starts_with('-')) {
        for name in crates {
            let folder = registry.path().join(format!("{name}-{}", env!("CARGO_PKG_VERSION")));
            if folder.exists() {
                std::fs::remove_dir_all(&folder).map_err(|error| Failure::broken(folder.display(), error))?;
            }
        }
    }
    let mut clean = workspace::cargo(root);
    clean.args(["clean", "--quiet"]).args(crates.iter().flat_map(|name| ["--package", name]));
    workspace::output(&mut clean).map(|_said| ())
}

/// Adds a component of the toolchain where it is missing.
fn ensure(component: &str, subcommand: &str, root: &Path) -> Result<(), Failure> {
    let mut probe = workspace::cargo(root);
    probe.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if probe.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", component]).current_dir(root);
    workspace::output(&mut rustup).map(|_said| ())
}

/// Tells what is being done, and how long it took.
#[expect(clippy::disallowed_methods, reason = "a person waits for this in real time")]
fn timed(name: &str, line: &str, step: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    eprintln!("ci: {name}: {line}");
    let began = Instant::now();
    step()?;
    eprintln!("ci: {name}: {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_has_the_test_command_of_ci() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
        let (script, readme) = (text(".ci/run"), text("README.md"));
        let command = script.lines().find(|line| line.starts_with("cargo test")).unwrap();
        assert!(readme.lines().any(|line| line == command), "{command}");
    }

    #[test]
    fn every_feature_set_is_linted_strictly() {
        let steps = steps(&["defender-model", "defender-transport"], Tests::Run);
        let lints: Vec<_> = steps.iter().filter(|step| step.args.first().is_some_and(|arg| arg == "clippy")).collect();
        assert_eq!(lints.len(), 5);
        assert!(lints.iter().all(|step| step.args.ends_with(&["-D".to_owned(), "warnings".to_owned()])));
        for words in [
            "--package defender-transport --all-targets --no-default-features",
            "--workspace --all-targets --all-features",
        ] {
            assert!(lints.iter().any(|step| step.args.join(" ").contains(words)), "{words}");
        }
    }

    #[test]
    fn skipping_the_tests_skips_nothing_else() {
        let all = steps(&["defender-model"], Tests::Run);
        let fewer = steps(&["defender-model"], Tests::Skip);
        let left_out: Vec<_> = all.into_iter().filter(|step| !fewer.contains(step)).collect();
        assert_eq!(left_out, [Step::new("tests", "test --workspace --all-features")]);
    }

    #[test]
    fn failure_beside_others_is_reported() {
        let steps = [Step::new("format", "fmt --no-such-option"), Step::new("version", "--version")];
        let error = side_by_side(&steps, Path::new(".")).unwrap_err();
        assert!(matches!(&error, Failure::Check(what) if what.starts_with("format: `cargo fmt")), "{error:?}");
        assert_eq!(side_by_side(&steps[1..], Path::new(".")), Ok(()));
    }

    #[test]
    fn failing_step_names_its_command() {
        let step = Step::new("format", "fmt --no-such-option");
        let error = step.run(Path::new(".")).unwrap_err();
        assert!(
            matches!(&error, Failure::Check(what) if what.starts_with("format: `cargo fmt --no-such-option`")),
            "{error:?}"
        );
    }
}
