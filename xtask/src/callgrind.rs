//! Counts of callgrind, which other work of the machine does not change.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::Failure;

/// Cost of a program, or of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counts {
    /// Instructions in user space.
    pub instructions: f64,
    /// Calls of the allocator for memory: new, zeroed, aligned or resized.
    pub allocations: f64,
}

/// Functions of the allocator that are counted.
const ALLOCATOR: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

impl Counts {
    /// Runs a program under callgrind.
    ///
    /// # Errors
    ///
    /// Fails if valgrind is missing, or the program fails.
    pub fn of(program: &Path, arguments: &[String]) -> Result<Self, Failure> {
        let file = std::env::temp_dir().join(format!("callgrind-{}.out", std::process::id()));
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--quiet"]).arg(format!("--callgrind-out-file={}", file.display()));
        let run = valgrind.arg(program).args(arguments).stdout(Stdio::null()).output();
        let run = run.map_err(|_| Failure::Check("valgrind is missing: run `cargo xtask tools`".to_owned()))?;
        if !run.status.success() {
            return Err(Failure::broken(program.display(), String::from_utf8_lossy(&run.stderr)));
        }
        let broken = |error| Failure::broken(file.display(), error);
        let counts = Self::read(&std::fs::read_to_string(&file).map_err(broken)?);
        std::fs::remove_file(&file).map_err(broken)?;
        counts.ok_or_else(|| Failure::Check("callgrind wrote no summary".to_owned()))
    }

    /// Returns the cost of one call, by two runs that differ in nothing but the number of calls.
    ///
    /// # Errors
    ///
    /// Fails if one of the runs does.
    pub fn each(
        program: &Path,
        arguments: impl Fn(usize) -> Vec<String>,
        (fewer, more): (usize, usize),
    ) -> Result<Self, Failure> {
        let (less, much) = (Self::of(program, &arguments(fewer))?, Self::of(program, &arguments(more))?);
        let calls = f64::from(u32::try_from(more.saturating_sub(fewer)).unwrap_or(u32::MAX));
        Ok(Self {
            instructions: (much.instructions - less.instructions) / calls,
            allocations: (much.allocations - less.allocations) / calls,
        })
    }

    /// Reads the file of a run. A function is named once, and by its number from then on.
    fn read(profile: &str) -> Option<Self> {
        let mut names = BTreeMap::new();
        let (mut instructions, mut allocations, mut called) = (None, 0.0, None);
        for line in profile.lines() {
            if let Some(total) = line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: ")) {
                instructions = Some(total.trim().parse().ok()?);
            } else if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
                let (number, name) = function.split_once(' ').unwrap_or((function, ""));
                if !name.is_empty() {
                    names.insert(number, name);
                }
                called = line.starts_with("cfn=").then_some(number);
            } else if let Some(calls) = line.strip_prefix("calls=")
                && called.and_then(|number| names.get(number)).is_some_and(|name| ALLOCATOR.contains(name))
            {
                allocations += calls.split(' ').next()?.parse::<f64>().ok()?;
            }
        }
        Some(Self { instructions: instructions?, allocations })
    }
}

/// Returns the programs that cargo has built, by the messages of `cargo build --message-format=json`.
#[must_use]
pub fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let named = messages.filter_map(|message| {
        let name = message.get("target")?.get("name")?.as_str()?.to_owned();
        Some((name, PathBuf::from(message.get("executable")?.as_str()?)))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_calls_of_allocator() {
        let profile = "fn=(1) main\n1 2\ncfn=(2) malloc\ncalls=3 0\n1 9\ncfn=(3) free\ncalls=4 0\n1 9\n\
                       fn=(4) f\ncfn=(2)\ncalls=5 0\n1 9\nsummary: 4711\n";
        let counts = Counts::read(profile);
        assert_eq!(counts, Some(Counts { instructions: 4_711.0, allocations: 8.0 }));
        assert_eq!(Counts::read("fn=(1) main\n"), None);
    }
}
