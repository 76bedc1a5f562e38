//! One command of CI, and several at the same time.

use std::{
    fmt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use xtask::{Failure, workspace};

/// A command of CI and its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    program: Program,
    pub(super) args: Vec<String>,
    /// A variable of the environment that it runs in.
    set: Option<(&'static str, &'static str)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Cargo,
    /// This program, which needs no build.
    Xtask,
}

impl Step {
    /// A command line of cargo.
    pub(super) fn cargo(name: impl Into<String>, line: &str) -> Self {
        let args = line.split_whitespace().map(str::to_owned).collect();
        Self { name: name.into(), program: Program::Cargo, args, set: None }
    }

    /// A command of `cargo xtask`.
    pub(super) fn xtask(name: &str, line: &str) -> Self {
        Self { program: Program::Xtask, ..Self::cargo(name, line) }
    }

    pub(super) fn with(mut self, variable: &'static str, value: &'static str) -> Self {
        self.set = Some((variable, value));
        self
    }

    /// Runs the step, and then prints all that it said at once, since others run beside it.
    #[expect(clippy::disallowed_methods, reason = "a person waits for this in real time")]
    fn run(&self, root: &Path) -> Result<(), Failure> {
        let mut command = match self.program {
            Program::Cargo => workspace::cargo(root),
            Program::Xtask => Command::new(std::env::current_exe().unwrap_or_else(|_| "xtask".into())),
        };
        command.args(&self.args).envs(self.set).current_dir(root).stdin(Stdio::null());
        let set = self.set.map(|(variable, value)| format!("{variable}='{value}' ")).unwrap_or_default();
        let line = format!("{set}{}", workspace::line(&command));
        let failed = |why: &dyn fmt::Display| Failure::broken(format!("{}: `{line}`", self.name), why);
        eprintln!("ci: {}: {line}", self.name);
        let began = Instant::now();
        let output = command.output().map_err(|error| failed(&error))?;
        let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said)).concat();
        eprintln!("ci: {} took {:.1} s, and says:\n{said}", self.name, began.elapsed().as_secs_f64());
        if output.status.success() { Ok(()) } else { Err(failed(&output.status)) }
    }
}

/// Runs lanes at the same time, and the steps of a lane one after the other, up to the first that fails. Returns the first failure
/// once all lanes have ended.
pub(super) fn side_by_side(lanes: &[Vec<Step>], root: &Path) -> Result<(), Failure> {
    thread::scope(|scope| {
        let run = |lane: &[Step]| lane.iter().try_for_each(|step| step.run(root));
        let running: Vec<_> = lanes.iter().map(|lane| scope.spawn(move || run(lane))).collect();
        let ended = running.into_iter().map(|lane| {
            lane.join().unwrap_or_else(|_| Err(Failure::Check("the thread of a lane panicked".to_owned())))
        });
        ended.fold(Ok(()), Result::and)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_of_any_lane_is_reported() {
        let version = || vec![Step::cargo("version", "--version")];
        let broken = || vec![Step::cargo("format", "fmt --no-such-option"), Step::cargo("never", "no-such-command")];
        for lanes in [[version(), broken()], [broken(), version()]] {
            let error = side_by_side(&lanes, Path::new(".")).unwrap_err();
            let is_first = |what: &str| what.starts_with("format: `cargo fmt --no-such-option`");
            assert!(matches!(&error, Failure::Check(what) if is_first(what)), "{error:?}");
        }
        assert_eq!(side_by_side(&[version(), version()], Path::new(".")), Ok(()));
    }
}
