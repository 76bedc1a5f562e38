//! Clauses, and the result of a suite.

use std::{fmt, time::Duration};

use futures_util::future::join_all;

/// Number of lengths of the times that a clause is tried with.
const TRIES: u32 = 5;

/// Result of a clause, with its name.
pub(super) type Checked = (&'static str, Result<(), String>);

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

/// Checks a clause, again with twice the time for as long as the machine is too slow. `attempt` checks it with this shortest time, which
/// `times` names.
pub(super) async fn tried<A: Future<Output = Result<(), Stop>>>(
    name: &'static str,
    mut unit: Duration,
    times: &str,
    attempt: impl Fn(Duration) -> A,
) -> Checked {
    for _ in 0..TRIES {
        match attempt(unit).await {
            Ok(()) => return (name, Ok(())),
            Err(Stop::Broken(why)) => return (name, Err(why)),
            Err(Stop::TooSlow) => unit = unit.saturating_mul(2),
        }
    }
    (name, Err(format!("the machine is too slow for {times} of {unit:?}: nothing was shown")))
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
    clauses: Vec<Checked>,
}

impl Verdict {
    /// Checks clauses one after the other.
    pub(super) async fn in_turn<C: Future<Output = Checked>>(checks: impl Iterator<Item = C>) -> Self {
        let mut clauses = Vec::with_capacity(checks.size_hint().0);
        for check in checks {
            clauses.push(check.await);
        }
        Self { clauses }
    }

    /// Checks all clauses at once.
    pub(super) async fn at_once<C: Future<Output = Checked>>(checks: impl Iterator<Item = C>) -> Self {
        Self { clauses: join_all(checks).await }
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
