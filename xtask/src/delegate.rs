//! Commands that are programs of their own, in `tools/`. Cargo builds them when they are called for.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::{Command, ExitCode},
};

use xtask::workspace;

/// A command and the package that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    command: &'static str,
    package: &'static str,
    /// Words that select the command among several of the package.
    words: &'static [&'static str],
    /// A bench that is not optimized measures nothing.
    release: bool,
}

const fn tool(command: &'static str) -> Tool {
    Tool { command, package: command, words: &[], release: false }
}

const TOOLS: [Tool; 10] = [
    tool("breaks"),
    tool("campaign"),
    tool("conformance"),
    tool("foreign"),
    tool("program"),
    tool("vectors"),
    Tool { package: "postgres-suite", ..tool("postgres") },
    Tool { package: "conformance", words: &["judges"], ..tool("judges") },
    Tool { package: "conformance", words: &["walkthrough"], ..tool("walkthrough") },
    Tool { release: true, ..tool("bench") },
];

impl Tool {
    /// The tool of a command, if it is one.
    pub(crate) fn of(command: &OsStr) -> Option<Self> {
        TOOLS.into_iter().find(|tool| command == tool.command)
    }

    /// Builds and runs it. Its exit code is ours.
    pub(crate) fn exec(self, arguments: impl Iterator<Item = OsString>) -> ExitCode {
        let mut command = self.cargo(Path::new("."), arguments);
        match command.status() {
            Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
            Err(error) => {
                eprintln!("xtask: `{}`: {error}", workspace::line(&command));
                ExitCode::from(1)
            }
        }
    }

    /// The command line of cargo.
    fn cargo(self, root: &Path, arguments: impl Iterator<Item = OsString>) -> Command {
        let arguments: Vec<_> = arguments.collect();
        let is_store = self.command == "campaign" && arguments.iter().any(|argument| argument == "--store");
        let package = if is_store { "store-campaign" } else { self.package };
        let mut arguments = arguments.into_iter().peekable();
        let release = arguments.next_if(|argument| argument == "--release").is_some() || self.release;
        let mut cargo = workspace::cargo(root);
        cargo.args(["run", "--quiet", "--package", package]).args(release.then_some("--release"));
        cargo.arg("--").args(self.words).args(arguments);
        cargo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &str) -> String {
        let mut words = words.split_whitespace().map(OsString::from);
        let tool = Tool::of(&words.next().unwrap()).unwrap();
        workspace::line(&tool.cargo(Path::new("."), words))
    }

    #[test]
    fn arguments_go_to_the_tool() {
        assert_eq!(line("campaign --seeds 0..9"), "cargo run --quiet --package campaign -- --seeds 0..9");
        assert_eq!(line("campaign --store"), "cargo run --quiet --package store-campaign -- --store");
        assert_eq!(line("judges --short"), "cargo run --quiet --package conformance -- judges --short");
        assert_eq!(line("bench wait"), "cargo run --quiet --package bench --release -- wait");
        assert_eq!(line("campaign --release --tls"), "cargo run --quiet --package campaign --release -- --tls");
    }
}
