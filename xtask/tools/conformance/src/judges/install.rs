//! The libraries, from their registries.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use xtask::Failure;

/// A Python with the packages of `requirements.txt`.
pub(super) fn python(scripts: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    let (wanted, environment) = (scripts.join("requirements.txt"), folder.join("python"));
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if is_installed(&wanted, &environment)? {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    run(Command::new(&python).args(install).arg(&wanted))?;
    note(&wanted, &environment)?;
    Ok(python)
}

/// A folder with the packages of `package.json`, and the scripts that need them.
pub(super) fn node(scripts: &Path, folder: &Path) -> Result<(), Failure> {
    let (wanted, environment) = (scripts.join("package.json"), folder.join("node"));
    let broken = |error| Failure::broken(environment.display(), error);
    std::fs::create_dir_all(&environment).map_err(broken)?;
    for entry in std::fs::read_dir(scripts).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        let is_node = path.extension().is_some_and(|extension| extension == "mjs" || extension == "json");
        if let Some(name) = path.file_name().filter(|_| is_node) {
            std::fs::copy(&path, environment.join(name)).map_err(broken)?;
        }
    }
    if is_installed(&wanted, &environment)? {
        return Ok(());
    }
    run(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&environment))?;
    note(&wanted, &environment)
}

/// Returns true if the packages of this list are there, as noted when they were installed.
fn is_installed(wanted: &Path, environment: &Path) -> Result<bool, Failure> {
    let text = std::fs::read_to_string(wanted).map_err(|error| Failure::broken(wanted.display(), error))?;
    Ok(std::fs::read_to_string(environment.join("installed.txt")).is_ok_and(|noted| noted == text))
}

fn note(wanted: &Path, environment: &Path) -> Result<(), Failure> {
    std::fs::copy(wanted, environment.join("installed.txt"))
        .map(drop)
        .map_err(|error| Failure::broken(environment.display(), error))
}

/// Runs an installer; where it is missing or fails, that is said.
fn run(command: &mut Command) -> Result<(), Failure> {
    let line = format!("{command:?}");
    let output = command.output().map_err(|error| Failure::broken(format!("cannot install with {line}"), error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::broken(format!("cannot install with {line}"), said))
}
