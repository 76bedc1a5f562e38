//! Finding of a rule.

use std::fmt;

/// One place where an invariant does not hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// A file and line, a manifest, or the tree of a package.
    pub(super) place: String,
    pub(super) found: String,
    pub(super) invariant: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    invariant: {}", self.place, self.found, self.invariant)
    }
}
