//! Ready-made checks: cargo-deny and typos, in pinned versions under `target/tools`, and the public API by the crate `public-api`.
//!
//! A check fails if its tool is missing or has another version; it never passes without the tool.

mod nightly;
mod public_api;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use xtask::{
    Failure,
    workspace::{self, Workspace},
};

pub(crate) use self::nightly::nightly;

/// Version of cargo-deny, which is compiled with its own lock file.
const DENY: &str = "0.20.2";
/// Version of typos on the registry of Python, where its authors publish a program for each platform.
const TYPOS: &str = "1.52.0";

/// A check by a ready-made tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Permitted dependencies, licenses and sources of packages.
    Deny,
    /// Public API of each published library, against the snapshots in `xtask/public-api`.
    PublicApi,
    /// Spelling.
    Typos,
}

impl Check {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let workspace = Workspace::read()?;
        let (root, folder) = (&workspace.root, folder(&workspace.root));
        match self {
            // The advisory database is on GitHub; the workflow there checks the advisories.
            Self::Deny => {
                let arguments =
                    ["check", "--hide-inclusion-graph", "-D", "unused-wrapper", "bans", "licenses", "sources"];
                run(Command::new(deny(&folder)?).args(arguments).current_dir(root))
            }
            Self::PublicApi => public_api::check(&workspace),
            Self::Typos => run(Command::new(typos(&folder)?).current_dir(root)),
        }
    }
}

/// Installs the tools that are missing. A toolchain that is missing is an error here, and not at the end of CI.
pub(crate) fn install() -> Result<(), Failure> {
    nightly()?;
    let folder = folder(&Workspace::read()?.root);
    if deny(&folder).is_err() {
        eprintln!("tools: compiles cargo-deny {DENY}");
        let mut cargo = Command::new("cargo");
        // Unoptimized: the tool runs for seconds, and an optimized build takes minutes.
        cargo.args(["install", "--locked", "--debug", "--force", "--quiet", "--version", DENY, "cargo-deny"]);
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "false").env("CARGO_INCREMENTAL", "0");
        run(cargo.arg("--root").arg(&folder).arg("--target-dir").arg(folder.join("build")))?;
        deny(&folder)?;
    }
    if typos(&folder).is_err() {
        eprintln!("tools: installs typos {TYPOS}");
        let environment = folder.join("python");
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        let python = program(&environment.join(SCRIPTS), "python");
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"];
        run(Command::new(python).args(install).arg(format!("typos=={TYPOS}")))?;
        typos(&folder)?;
    }
    // callgrind counts instructions on Linux alone, where valgrind is a package of every distribution.
    if cfg!(target_os = "linux") && Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("tools: installs valgrind");
        // A bare machine has no list of packages. If the list cannot be read, the next command says what is wrong.
        let _updated = run(Command::new("apt-get").args(["update", "--quiet"]));
        run(Command::new("apt-get").args(["install", "--yes", "--quiet", "valgrind"]))?;
    }
    // Objects of the build, several hundred megabytes.
    match std::fs::remove_dir_all(folder.join("build")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::broken(folder.display(), error)),
        _ => Ok(()),
    }
}

/// The folder for programs in a virtual environment of Python.
const SCRIPTS: &str = if cfg!(windows) { "Scripts" } else { "bin" };

fn folder(root: &Path) -> PathBuf {
    workspace::target(root).join("tools")
}

fn program(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn deny(folder: &Path) -> Result<PathBuf, Failure> {
    of_version(program(&folder.join("bin"), "cargo-deny"), "cargo-deny", DENY)
}

fn typos(folder: &Path) -> Result<PathBuf, Failure> {
    of_version(program(&folder.join("python").join(SCRIPTS), "typos"), "typos", TYPOS)
}

/// The program, if it prints this version.
fn of_version(program: PathBuf, name: &str, version: &str) -> Result<PathBuf, Failure> {
    let printed = Command::new(&program).arg("--version").output();
    let printed = printed.map(|output| String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    match printed {
        Ok(line) if line.split(' ').next_back() == Some(version) => Ok(program),
        Ok(line) => Err(Failure::Check(format!("{name} {version} is needed, not `{line}`: run `cargo xtask tools`"))),
        Err(_) => Err(Failure::Check(format!("{name} {version} is missing: run `cargo xtask tools`"))),
    }
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let line = xtask::workspace::line(command);
    let status = command.status().map_err(|error| Failure::broken(format!("`{line}`"), error))?;
    if status.success() { Ok(()) } else { Err(Failure::broken(format!("`{line}`"), status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_tool_names_install_command() {
        let missing = deny(Path::new("/nowhere")).unwrap_err();
        assert_eq!(missing, Failure::Check("cargo-deny 0.20.2 is missing: run `cargo xtask tools`".to_owned()));
        let other = of_version("cargo".into(), "cargo", "0.1.2").unwrap_err();
        assert!(matches!(other, Failure::Check(what) if what.starts_with("cargo 0.1.2 is needed, not `cargo ")));
    }
}
