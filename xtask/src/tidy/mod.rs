//! The invariants of the architecture, checked. Each rule says what it found, where, and what it breaks.

mod circles;
mod docs;
mod language;
mod manifest;
mod source;
mod tree;
mod violation;

use xtask::{Failure, workspace::Workspace};

/// Reports every violation there is.
pub(crate) fn run() -> Result<(), Failure> {
    let workspace = Workspace::read()?;
    let mut found = tree::check(&workspace)?;
    found.extend(manifest::check(&workspace)?);
    found.extend(source::check(&workspace)?);
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
