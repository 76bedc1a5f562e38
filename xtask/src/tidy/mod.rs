//! The invariants of the architecture, checked. Each rule says what it found, where, and what it breaks.

mod api;
mod circles;
mod code;
mod docs;
mod language;
mod manifest;
mod source;
mod tree;

use std::fmt;

use crate::{Failure, workspace::Workspace};

/// One place where an invariant does not hold.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    /// A file and line, a manifest, or the tree of a package.
    place: String,
    found: String,
    invariant: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    invariant: {}", self.place, self.found, self.invariant)
    }
}

/// Reports every violation there is.
pub(crate) fn run() -> Result<(), Failure> {
    let workspace = Workspace::read()?;
    let mut found = tree::check(&workspace)?;
    found.extend(manifest::check(&workspace)?);
    found.extend(source::check(&workspace)?);
    found.extend(api::check(&workspace)?);
    found.extend(circles::check(&workspace)?);
    found.extend(language::check(&workspace)?);
    found.extend(docs::check(&workspace)?);
    for violation in &found {
        println!("{violation}");
    }
    match found.len() {
        0 => {
            eprintln!("tidy: every invariant holds");
            Ok(())
        }
        count => Err(Failure::Check(format!("tidy: {count} found"))),
    }
}
