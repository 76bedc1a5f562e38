//! The steps of CI, for this machine.

mod step;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use xtask::{
    Failure,
    workspace::{self, Workspace},
};

use self::step::{Step, side_by_side};

/// Includes or leaves out the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tests {
    Run,
    Skip,
}

/// The crates whose code, tests aside, is held to `xtask/clippy/libraries`.
const LIBRARIES: [&str; 5] =
    ["defender-model", "defender-transport", "defender-auth", "defender-actions", "defender-azure-identity"];

/// Commands of `cargo xtask` that build nothing in `target/debug`, where cargo lets one build at a time.
const APART: [(&str, &str); 5] = [
    ("tools", "tools"),
    ("spelling", "typos"),
    ("dependencies", "deny"),
    ("public API", "public-api"),
    ("instructions", "instructions"),
];
/// Commands of `cargo xtask` that build programs in `target/debug` and run them.
const PROGRAMS: [(&str, &str); 9] = [
    ("packages", "packages"),
    ("example", "example"),
    ("vectors", "vectors crates/defender-model/tests/fixtures"),
    ("conformance", "conformance"),
    ("walk-through", "walkthrough"),
    ("program", "program"),
    ("judges", "judges --short"),
    ("breaks", "breaks --check"),
    ("invariants", "tidy"),
];
/// Commands of `cargo xtask` that wait for databases, processes and clocks more than they compute.
const WAITING: [(&str, &str); 5] = [
    ("campaign", "campaign --seeds 0..100 --anew --figures target/campaign/ci-a.json"),
    ("PostgreSQL", "postgres"),
    ("campaign over TLS", "campaign --tls --seeds 0..10 --anew --figures target/campaign/ci-b.json"),
    ("campaign over stores", "campaign --store --only actions --seeds 0..1"),
    ("campaign of runs", "campaign --store --only runs --seeds 0..1 --tenants 2 --actions 60"),
];

/// Runs every step. Steps that do not disturb each other run at the same time.
pub(crate) fn run(tests: Tests) -> Result<(), Failure> {
    let workspace = Workspace::read()?;
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        ensure(component, subcommand, &workspace.root)?;
    }
    let crates: Vec<&str> = workspace.crates().map(|package| package.name.as_str()).collect();
    let commands = |commands: &[(&str, &str)]| commands.iter().map(|(name, line)| Step::xtask(name, line)).collect();
    let mut building = steps(&crates, tests);
    building.extend::<Vec<_>>(commands(&PROGRAMS));
    side_by_side(&[building, commands(&APART)], &workspace.root)?;
    side_by_side(&WAITING.map(|waiting| commands(&[waiting])), &workspace.root)?;
    eprintln!("ci: all is well");
    Ok(())
}

fn steps(crates: &[&str], tests: Tests) -> Vec<Step> {
    let mut steps = vec![Step::cargo("format", "fmt --all --check")];
    if tests == Tests::Run {
        steps.push(Step::cargo("tests", "test --workspace --all-features"));
    }
    // One crate at a time: in one build cargo adds the features of all its crates together, so that none would be without what a
    // neighbor asks for. With its default features, each is linted in its package.
    for name in crates {
        let line = format!("clippy --package {name} --all-targets --no-default-features -- -D warnings");
        steps.push(Step::cargo(format!("lints of {name} without features"), &line));
    }
    steps
        .push(Step::cargo("lints with all features", "clippy --workspace --all-targets --all-features -- -D warnings"));
    let packages = LIBRARIES.map(|name| format!("--package {name}")).join(" ");
    let libraries =
        Step::cargo("lints of the libraries alone", &format!("clippy {packages} --lib --all-features -- -D warnings"));
    steps.push(libraries.with("CLIPPY_CONF_DIR", "xtask/clippy/libraries"));
    // What an error states without a feature is not in a build with all features.
    steps.push(Step::cargo("tests of defender-auth with default features", "test --package defender-auth --lib"));
    let documentation = Step::cargo("documentation", "doc --workspace --no-deps --all-features");
    steps.push(documentation.with("RUSTDOCFLAGS", "-D warnings"));
    steps
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
        assert_eq!(lints.len(), 4);
        assert!(lints.iter().all(|step| step.args.ends_with(&["-D".to_owned(), "warnings".to_owned()])));
        for words in [
            "--package defender-transport --all-targets --no-default-features",
            "--workspace --all-targets --all-features",
        ] {
            assert!(lints.iter().any(|step| step.args.join(" ").contains(words)), "{words}");
        }
        assert!(PROGRAMS.iter().any(|(name, _)| *name == "packages"));
    }

    #[test]
    fn skipping_the_tests_skips_nothing_else() {
        let all = steps(&["defender-model"], Tests::Run);
        let fewer = steps(&["defender-model"], Tests::Skip);
        let left_out: Vec<_> = all.into_iter().filter(|step| !fewer.contains(step)).collect();
        assert_eq!(left_out, [Step::cargo("tests", "test --workspace --all-features")]);
    }
}
