//! The language of comments and the length of test names.

use super::{
    source::{read, rust_files, tests_too, within},
    violation::Violation,
};
use xtask::{Failure, workspace::Workspace};

const SUBJECT_FIRST: &str =
    "doc comments open with a noun phrase or a verb: fewer than 4 in 100 open with a question word";
const PLAIN: &str = "comments use the plain terms of the field";
const SHORT: &str = "test names are short: half of a crate's have at most 7 words";

const WORDS: usize = 7;
const OPENERS: [&str; 8] = ["What", "How", "Whether", "Where", "When", "Why", "Which", "Who"];
/// Phrases, separated by a comma and a space.
const PHRASES: &str = "\
    a sending, a try, a wire, are none, are told, bears, became of, came back, carries, departs, each try, \
    every try, go off, goes off, heeded, is none, is told, lost answer, lost answers, mend, mended, mends, \
    of it., our wire, perhaps or surely, place of its own, sendings, set up rightly, surely, the answer, \
    the wire, told of, went off, who asks, whoever";

/// The violations in the comments and test names of all packages.
pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>, Failure> {
    let mut found = Vec::new();
    for package in &workspace.packages {
        let folder = within(&workspace.root, &package.folder);
        let place = |more: &str| format!("{folder}{more}");
        let (mut blocks, mut questions) = (0_usize, 0_usize);
        for file in rust_files(&package.folder.join("src"))? {
            let source = read(&file)?;
            for (number, phrase) in phrases(&source) {
                let place = place(&format!("/{}:{number}", within(&package.folder, &file)));
                found.push(Violation { place, found: format!("says \"{phrase}\""), invariant: PLAIN });
            }
            let (all, of_questions) = openers(&source);
            blocks += all;
            questions += of_questions;
        }
        if questions * 25 >= blocks.max(1) {
            let found_here = format!("{questions} of {blocks} doc comments open with a question word");
            found.push(Violation { place: place(""), found: found_here, invariant: SUBJECT_FIRST });
        }
        let mut lengths = Vec::new();
        for folder in ["src", "tests"].map(|folder| package.folder.join(folder)).iter().filter(|folder| folder.is_dir())
        {
            for file in tests_too(folder)? {
                lengths.extend(test_names(&read(&file)?).map(|name| name.split('_').count()));
            }
        }
        lengths.sort_unstable();
        let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
        if median > WORDS {
            let found_here = format!("the median test name has {median} words");
            found.push(Violation { place: place(""), found: found_here, invariant: SHORT });
        }
    }
    Ok(found)
}

/// The lines of comments with a phrase, counted from one. Code in a comment does not count.
fn phrases(source: &str) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    let mut is_example = false;
    for (number, line) in (1..).zip(source.lines()) {
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            is_example = false;
            continue;
        };
        let is_fence = comment.contains("```");
        is_example ^= is_fence;
        if is_example || is_fence {
            continue;
        }
        // Every second part is between backticks.
        let prose: String = comment.split('`').step_by(2).collect::<Vec<_>>().join("`").to_ascii_lowercase();
        let is_letter = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        for phrase in PHRASES.split(", ") {
            let is_whole = |(at, _): (usize, &str)| {
                let (before, after) = prose.split_at_checked(at).unwrap_or_default();
                let after = after.strip_prefix(phrase).unwrap_or_default();
                !is_letter(before.chars().next_back()) && !is_letter(after.chars().next())
            };
            if prose.match_indices(phrase).any(is_whole) {
                found.push((number, phrase));
            }
        }
    }
    found
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

/// The names of the functions that follow `#[test]` or its like.
fn test_names(source: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    source.lines().map(str::trim_start).filter_map(move |line| {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let (_, name) = line.trim_start_matches("async ").split_once("fn ").filter(|(before, _)| before.is_empty())?;
        std::mem::take(&mut is_test).then(|| name.split('(').next().unwrap_or_default())
    })
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
        let source = "// Whoever has it.\nlet whoever = 1;\n/// A tag that is none.\n/// Use `whoever`, amend it.\n\
                      /// ```\n/// let whoever = 2;\n/// ```\n/// The end of it.\n";
        assert_eq!(phrases(source), [(1, "whoever"), (3, "is none"), (8, "of it.")]);
    }

    #[test]
    fn test_names_follow_their_attribute() {
        let source = "#[test]\nfn one_two() {}\nfn three() {}\n#[tokio::test]\n#[cfg(unix)]\nasync fn four() {}\n";
        assert_eq!(test_names(source).collect::<Vec<_>>(), ["one_two", "four"]);
    }
}
