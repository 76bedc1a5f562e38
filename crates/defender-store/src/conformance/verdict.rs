//! Clauses, and what the suite has found.

use std::fmt;

/// Number of lengths of the times that a clause is tried with.
pub(super) const TRIES: u32 = 5;

/// Reason for which a clause stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// The store breaks the contract.
    Broken(String),
    /// The store did what is right at this time, and the time is not the one that the clause is about.
    TooSlow,
}

/// Fails the clause unless `holds`.
pub(super) fn check(holds: bool, why: impl Into<String>) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(Stop::Broken(why.into())) }
}

/// Makes the list of clauses of their functions.
macro_rules! clauses {
    ($($module:ident: $($name:ident)*;)*) => {
        &[$($((stringify!($name), |bench| Box::pin($module::$name(bench)))),*),*]
    };
}
pub(super) use clauses;

/// Result of a suite.
#[derive(Clone, Debug)]
pub struct Verdict {
    clauses: Vec<(&'static str, Result<(), String>)>,
}

impl Verdict {
    pub(super) fn new(clauses: Vec<(&'static str, Result<(), String>)>) -> Self {
        Self { clauses }
    }

    /// Returns true if all clauses hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.clauses.iter().all(|(_, result)| result.is_ok())
    }

    /// Names of the clauses that were checked.
    pub fn clauses(&self) -> impl Iterator<Item = &'static str> {
        self.clauses.iter().map(|(name, _)| *name)
    }

    /// Clauses that do not hold, with what was seen.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.clauses.iter().filter_map(|(name, result)| Some((*name, result.as_ref().err()?.as_str())))
    }
}

/// Prints a line for each clause that does not hold, and the number of those that hold.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, why) in self.failures() {
            writeln!(f, "{name}: {why}")?;
        }
        let held = self.clauses.len().saturating_sub(self.failures().count());
        write!(f, "{held} of {} clauses hold", self.clauses.len())
    }
}
