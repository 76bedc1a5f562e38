//! The page of claims: each claim of the README and the docs, and the commands that show it.
//!
//! A heading of `docs/claims.md` links to a page. Each row of the table below it has a sentence of that page, word for word, and commands.

use std::{path::Path, process::Command, time::Instant};

use xtask::{Failure, workspace::Workspace};

const PAGE: &str = "docs/claims.md";

/// A sentence of a page, and the commands that show it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    /// Page, from the root.
    page: String,
    text: String,
    commands: Vec<String>,
}

/// Runs each command once, in the order of the page, or prints the commands.
#[expect(clippy::disallowed_methods, reason = "a person waits for this in real time")]
pub(crate) fn run(lists: bool) -> Result<(), Failure> {
    let root = Workspace::read()?.root;
    let claims = read(&root)?;
    let missing: Vec<_> = claims.iter().filter(|claim| !claim.is_on_its_page(&root)).collect();
    for claim in &missing {
        println!("{PAGE}: {} does not say: {}", claim.page, claim.text);
    }
    let mut commands = Vec::<&str>::new();
    for command in claims.iter().flat_map(|claim| &claim.commands) {
        if !commands.contains(&command.as_str()) {
            commands.push(command);
        }
    }
    let mut failed = missing.len();
    for command in &commands {
        if lists {
            println!("{command}");
            continue;
        }
        let began = Instant::now();
        let shown = show(&root, command);
        let seconds = began.elapsed().as_secs_f64();
        match shown {
            Ok(()) => println!("shown in {seconds:.0} s: {command}"),
            Err(why) => {
                failed += 1;
                println!("not shown: {command}: {why}");
            }
        }
    }
    println!("{} claims, {} commands", claims.len(), commands.len());
    if failed == 0 { Ok(()) } else { Err(Failure::Check(format!("{failed} claims or commands failed"))) }
}

/// Runs a command. Tests that are selected by a name must exist.
fn show(root: &Path, command: &str) -> Result<(), String> {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let output = Command::new(program).args(words).current_dir(root).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let last: Vec<_> = said.lines().chain(complaint.lines()).rev().take(5).collect();
        return Err(format!("{}: {}", output.status, last.join(" / ")));
    }
    if command.starts_with("cargo test") && passed(&said) == 0 {
        return Err("no test has this name".to_owned());
    }
    Ok(())
}

/// Returns the number of tests that passed.
fn passed(said: &str) -> usize {
    let results = said.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    results.filter_map(|line| line.split(' ').next()?.parse::<usize>().ok()).sum()
}

fn read(root: &Path) -> Result<Vec<Claim>, Failure> {
    let text = std::fs::read_to_string(root.join(PAGE)).map_err(|error| Failure::broken(PAGE, error))?;
    parse(&text).map_err(|line| Failure::Check(format!("{PAGE}: not a claim with commands: {line}")))
}

/// Returns the claims of the page, or the row that has no commands.
fn parse(text: &str) -> Result<Vec<Claim>, String> {
    let (mut page, mut claims) = (String::new(), Vec::new());
    for line in text.lines() {
        if line.starts_with("## ") {
            let target = line.split_once("](").and_then(|(_, rest)| rest.strip_suffix(')')).ok_or(line)?;
            page = target.strip_prefix("../").map_or_else(|| format!("docs/{target}"), str::to_owned);
        }
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else { continue };
        let Some((claim, commands)) = row.rsplit_once(" | ") else { return Err(line.to_owned()) };
        if claim == "claim" {
            continue;
        }
        let commands: Vec<_> = commands.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        if page.is_empty() || commands.is_empty() {
            return Err(line.to_owned());
        }
        claims.push(Claim { page: page.clone(), text: claim.to_owned(), commands });
    }
    Ok(claims)
}

impl Claim {
    fn is_on_its_page(&self, root: &Path) -> bool {
        std::fs::read_to_string(root.join(&self.page)).is_ok_and(|page| plain(&page).contains(&plain(&self.text)))
    }
}

/// Returns the text on one line and without emphasis.
fn plain(text: &str) -> String {
    text.replace("**", "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    #[test]
    fn each_claim_is_on_its_page() {
        let claims = read(root()).unwrap();
        assert!(claims.len() > 20, "{}", claims.len());
        let missing: Vec<_> = claims.iter().filter(|claim| !claim.is_on_its_page(root())).collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn claims_are_read_with_their_page() {
        let text = "## [README](../README.md)\n\n| claim | shown by |\n|---|---|\n| a | `cargo x`, `cargo y` |\n\n## [p](p.md)\n| b | `c` |";
        let claims = parse(text).unwrap();
        assert_eq!((claims[0].page.as_str(), claims[0].commands.len()), ("README.md", 2));
        assert_eq!((claims[1].page.as_str(), claims[1].text.as_str()), ("docs/p.md", "b"));
        assert!(parse("## [p](p.md)\n| a | by nothing |").is_err());
        assert!(parse("| a | `b` |").is_err());
    }

    #[test]
    fn command_without_a_test_shows_nothing() {
        assert_eq!(passed("test result: ok. 3 passed; 0 failed\n\ntest result: ok. 4 passed; 0 failed"), 7);
        assert_eq!(passed("test result: ok. 0 passed; 0 failed; 9 filtered out"), 0);
        let missing = show(Path::new("/"), "cargo-does-not-exist").unwrap_err();
        assert!(!missing.is_empty());
    }
}
