//! The program of a judge.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use xtask::{Failure, workspace};

use super::{
    copy::Copy,
    judge::{Ended, Kind},
};

/// Time limit of one judge: a broken client may never end.
const PATIENCE: Duration = Duration::from_secs(1_200);

impl Kind {
    /// Builds the program; `None` if it does not compile, which cargo has reported.
    pub(super) fn build(&self, copy: &Copy) -> Result<Option<Program>, Failure> {
        let mut cargo = copy.cargo();
        match self {
            Self::Test { target, .. } => cargo.args(["test", "--no-run"]).args(target),
            Self::Campaign { .. } => cargo.args(["build", "-p", "campaign"]),
            Self::Postgres { .. } => cargo.args(["build", "-p", "postgres-suite"]),
        };
        cargo.args(["--quiet", "--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit());
        let line = workspace::line(&cargo);
        let built = cargo.output().map_err(|error| Failure::broken(format!("`{line}`"), error))?;
        if !built.status.success() {
            return Ok(None);
        }
        let is_test = matches!(self, Self::Test { .. });
        let program = String::from_utf8_lossy(&built.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line.pointer("/profile/test") == Some(&Value::Bool(is_test)))
            .filter_map(|line| {
                let text = |pointer: &str| line.pointer(pointer)?.as_str().map(PathBuf::from);
                Some((text("/executable")?, text("/manifest_path")?.parent()?.to_owned()))
            })
            .next_back();
        let (executable, package) = program.ok_or_else(|| Failure::Check(format!("`{line}` built nothing to run")))?;
        Ok(Some(Program { executable, package, kind: self.clone() }))
    }
}

/// A built program, run directly and not by cargo, so that it can be killed.
pub(super) struct Program {
    executable: PathBuf,
    package: PathBuf,
    kind: Kind,
}

impl Program {
    /// Runs these tests, the campaign over these seeds, or these checks of PostgreSQL.
    pub(super) fn run(&self, copy: &Copy, file: &str, which: &[String]) -> Result<Ended, Failure> {
        let mut command = Command::new(&self.executable);
        command.env("CARGO_MANIFEST_DIR", &self.package);
        match &self.kind {
            Kind::Test { .. } => command.current_dir(&self.package).arg("--exact").args(which),
            Kind::Postgres { .. } => command.current_dir(copy.folder()).args(which),
            Kind::Campaign { .. } => {
                // Its sums are of this break alone.
                let figures = copy.said(&format!("{file}.json"));
                drop(std::fs::remove_file(&figures));
                command.current_dir(copy.folder()).arg("--figures").arg(figures).arg("--seeds").args(which)
            }
        };
        let (status, said) = workspace::within(&mut command, &copy.said(file), PATIENCE)?;
        Ok(Ended { status, said })
    }
}
