//! The invariants of the architecture, checked. Each rule says what it found, where, and what it breaks.

mod circles;
mod docs;
mod language;
mod manifest;
mod source;
mod tree;

use std::fmt;

use crate::{Failure, actions, workspace::Workspace};

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
    found.extend(circles::check(&workspace)?);
    found.extend(language::check(&workspace)?);
    found.extend(docs::check(&workspace)?);
    if !actions::is_current()? {
        found.push(Violation {
            place: "crates/defender-model/README.md".to_owned(),
            found: "its table of actions is not what `cargo xtask actions` makes".to_owned(),
            invariant: "what the README says of the actions is what their constants say",
        });
    }
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
