//! The language of comments: doc comments open with their subject, and some phrases are never used.

use super::{
    Violation,
    source::{read, rust_files, within},
};
use crate::{Failure, workspace::Workspace};

const SUBJECT_FIRST: &str =
    "doc comments open with a noun phrase or a verb: fewer than 4 in 100 open with a question word";
const PLAIN: &str = "comments use the plain terms of the field";

/// Crates whose comments are plain; a crate is added here when its last phrase is gone.
const CLEAN: &[&str] = &["defender-auth", "defender-emulator", "defender-transport"];
const OPENERS: [&str; 8] = ["What", "How", "Whether", "Where", "When", "Why", "Which", "Who"];
const PHRASES: [&str; 12] = [
    "whoever",
    "who asks",
    "became of",
    "lost answer",
    "came back",
    "set up rightly",
    "place of its own",
    "heeded",
    "perhaps or surely",
    "is none",
    "are none",
    "goes off",
];

/// The phrases of the crates that are held to have none, and the crates with too many question words.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for package in workspace.crates().filter(|package| CLEAN.contains(&package.name.as_str())) {
        let (mut blocks, mut questions) = (0_usize, 0_usize);
        for file in rust_files(&package.folder.join("src"))? {
            let source = read(&file)?;
            for (number, phrase) in phrases(&source) {
                let place = format!("crates/{}/{}:{number}", package.name, within(&package.folder, &file));
                found.push(Violation { place, found: format!("says \"{phrase}\""), invariant: PLAIN });
            }
            let (all, of_questions) = openers(&source);
            blocks += all;
            questions += of_questions;
        }
        if questions * 25 >= blocks.max(1) {
            let found_here = format!("{questions} of {blocks} doc comments open with a question word");
            let place = format!("crates/{}", package.name);
            found.push(Violation { place, found: found_here, invariant: SUBJECT_FIRST });
        }
    }
    Ok(found)
}

/// The lines of comments with a phrase that is never used, counted from one.
fn phrases(source: &str) -> Vec<(usize, &'static str)> {
    let comments = (1..).zip(source.lines()).filter(|(_, line)| line.trim_start().starts_with("//"));
    let found = |line: &str| PHRASES.into_iter().find(|phrase| line.to_ascii_lowercase().contains(phrase));
    comments.filter_map(|(number, line)| Some((number, found(line)?))).collect()
}

/// The number of doc comments, and of those that open with a question word.
fn openers(source: &str) -> (usize, usize) {
    let (mut blocks, mut questions, mut inside) = (0, 0, false);
    for line in source.lines() {
        let line = line.trim_start();
        let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        if let Some(text) = text.filter(|_| !inside) {
            blocks += 1;
            let opener = text.trim_start().split(|letter: char| !letter.is_alphabetic()).next().unwrap_or_default();
            questions += usize::from(OPENERS.contains(&opener));
        }
        inside = text.is_some();
    }
    (blocks, questions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openers_are_counted_by_comment() {
        assert_eq!(openers("/// What it is.\n/// How it is.\nfn a() {}\n//! Adds a tag.\n"), (2, 1));
        assert_eq!(openers("// Why.\n/// Whose action.\n"), (1, 0));
    }

    #[test]
    fn phrases_are_found_in_comments_alone() {
        assert_eq!(
            phrases("// Whoever asks.\nlet whoever = 1;\n/// A tag that is none.\n"),
            [(1, "whoever"), (3, "is none")]
        );
    }
}
