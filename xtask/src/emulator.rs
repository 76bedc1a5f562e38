//! The emulator as a separate process.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{Failure, workspace::cargo};

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::broken("the emulator's program", error)
}

/// Builds the program and returns its path.
///
/// # Errors
///
/// Fails if the program does not compile.
pub fn build(root: &Path) -> Result<PathBuf, Failure> {
    let mut command = cargo(root);
    command.args(["build", "--quiet", "--package", "defender-emulator", "--message-format", "json"]);
    let built = command.stderr(Stdio::inherit()).output().map_err(|error| broken(&error))?;
    let built = String::from_utf8_lossy(&built.stdout);
    let executable = built.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|line| {
        let named = line.pointer("/target/name")?.as_str()? == "defender-emulator";
        line.get("executable")?.as_str().filter(|_| named).map(PathBuf::from)
    });
    executable.ok_or_else(|| broken(&"it was not built"))
}

/// The program, which is stopped when this is dropped.
#[derive(Debug)]
pub struct Program {
    process: Child,
    ca_file: PathBuf,
    line: Value,
}

impl Program {
    /// Starts the program with these arguments. `name` makes its CA file unique. Its standard input is open until this is dropped.
    ///
    /// # Errors
    ///
    /// Fails if the program does not start, or does not print its line of JSON.
    pub fn start(
        executable: &Path,
        name: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Self, Failure> {
        let ca_file = std::env::temp_dir().join(format!("defender-xtask-{}-{name}.pem", std::process::id()));
        let mut command = Command::new(executable);
        command.arg("--ca-file").arg(&ca_file).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let process = command.spawn().map_err(|error| broken(&error))?;
        let mut program = Self { process, ca_file, line: Value::Null };
        let mut line = String::new();
        if let Some(stdout) = program.process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| broken(&error))?;
        }
        program.line = serde_json::from_str(&line).map_err(|error| broken(&error))?;
        Ok(program)
    }

    /// The line of JSON that the program printed at its start.
    #[must_use]
    pub fn line(&self) -> &Value {
        &self.line
    }

    /// A text of the line, by its JSON pointer.
    ///
    /// # Errors
    ///
    /// Fails if the line has no such text.
    pub fn text(&self, pointer: &str) -> Result<&str, Failure> {
        let text = self.line.pointer(pointer).and_then(Value::as_str);
        text.ok_or_else(|| broken(&format!("its line has no `{pointer}`")))
    }

    /// Path of the CA file that the program wrote.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The program may have ended by itself, and the file may never have been written: either is well.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
        let _removed = std::fs::remove_file(&self.ca_file);
    }
}
