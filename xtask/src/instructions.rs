//! Instructions of the client's hot paths, counted by callgrind and compared with `xtask/tools/instructions/instructions.txt`.

use std::{collections::BTreeMap, path::Path};

use xtask::{
    Failure,
    callgrind::{Counts, executables},
    workspace::{Workspace, cargo, output},
};

/// File with the counts, relative to the workspace.
const FILE: &str = "xtask/tools/instructions/instructions.txt";

/// Part by which a count may differ from the file.
const BOUND: f64 = 0.03;

/// Rows of the file: a name, the work, and the two counts whose difference is measured.
const ROWS: [(&str, &str, (usize, usize)); 8] = [
    ("post", "post", (100, 300)),
    ("post after 9,800 others", "post", (9_800, 10_000)),
    // Below the quota of a minute.
    ("read of an action", "get", (20, 90)),
    ("list of 10,000 actions", "page", (1, 3)),
    ("wait for one of 500", "wait", (250, 750)),
    ("wait for one of 5,000", "wait", (4_500, 5_000)),
    ("lost response of 100", "lost", (50, 150)),
    ("lost response of 1,000", "lost", (900, 1_100)),
];

/// Pairs of rows of which the second may cost at most so many times the first: a cost that grows with what was before shows here.
const GROWTH: [(&str, &str, f64); 3] = [
    ("post", "post after 9,800 others", 1.02),
    ("wait for one of 500", "wait for one of 5,000", 1.35),
    ("lost response of 100", "lost response of 1,000", 1.5),
];

/// Counts, prints, and compares with the file. With `WRITE_INSTRUCTIONS=1` the file is written anew.
pub(crate) fn run() -> Result<(), Failure> {
    let root = Workspace::read()?.root;
    let mut build = cargo(&root);
    // Without link-time optimization: the build takes a minute less, and the counts show the same changes.
    build.args(["build", "--quiet", "--release", "--package", "instructions", "--message-format=json"]);
    let programs = executables(&output(&mut build)?);
    let program = programs.get("instructions").ok_or_else(|| Failure::Check("cargo built no program".to_owned()))?;
    let counts = counts(program)?;
    let file = root.join(FILE);
    let text = text(&counts);
    print!("{text}");
    let mut missed = growth(&counts);
    if std::env::var_os("WRITE_INSTRUCTIONS").is_some() {
        std::fs::write(&file, text).map_err(|error| Failure::broken(FILE, error))?;
    } else {
        let known = std::fs::read_to_string(&file).map_err(|error| Failure::broken(FILE, error))?;
        missed.extend(changes(&counts, &known));
    }
    if missed.is_empty() { Ok(()) } else { Err(Failure::Check(format!("instructions: {}", missed.join("; ")))) }
}

fn counts(program: &Path) -> Result<BTreeMap<&'static str, f64>, Failure> {
    let count = |(name, work, (fewer, more)): (&'static str, &str, (usize, usize))| {
        let counts = Counts::each(program, |count| vec![work.to_owned(), count.to_string()], (fewer, more))?;
        Ok((name, counts.instructions))
    };
    ROWS.into_iter().map(count).collect()
}

fn text(counts: &BTreeMap<&str, f64>) -> String {
    ROWS.iter().fold(String::new(), |text, (name, ..)| {
        let count = counts.get(name).copied().unwrap_or_default();
        text + &format!("{name:<26} {count:>12.0}\n")
    })
}

/// Rows that differ from the file.
fn changes(counts: &BTreeMap<&str, f64>, known: &str) -> Vec<String> {
    let known = known
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(name, count)| Some((name.trim(), count.parse::<f64>().ok()?)));
    let known: BTreeMap<_, _> = known.collect();
    let change = |(name, ..): &(&'static str, _, _)| {
        let (is, was) = (counts.get(name)?, known.get(name).copied().unwrap_or_default());
        let change = is / was - 1.0;
        (change.is_nan() || change.abs() > BOUND).then(|| {
            format!(
                "{name}: {is:.0} instead of {was:.0} ({:+.1} %); WRITE_INSTRUCTIONS=1 writes {FILE}",
                change * 100.0
            )
        })
    };
    ROWS.iter().filter_map(change).collect()
}

/// Pairs of rows whose cost grows.
fn growth(counts: &BTreeMap<&str, f64>) -> Vec<String> {
    let grows = |(few, many, most): (&str, &str, f64)| {
        let ratio = counts.get(many)? / counts.get(few)?;
        (ratio.is_nan() || ratio > most).then(|| format!("`{many}` costs {ratio:.3} times `{few}`, at most {most}"))
    };
    GROWTH.into_iter().filter_map(grows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_beyond_the_bound_are_reported() {
        let counts: BTreeMap<_, _> = ROWS.iter().map(|(name, ..)| (*name, 1_000.0)).collect();
        assert!(changes(&counts, &text(&counts)).is_empty());
        let known = text(&counts).replacen("1000", "960", 1);
        let found = changes(&counts, &known);
        assert!(found.len() == 1 && found[0].starts_with("post: 1000 instead of 960 (+4.2 %)"), "{found:?}");
        assert_eq!(changes(&counts, "").len(), ROWS.len(), "a row that the file lacks");
    }

    #[test]
    fn growing_cost_is_reported() {
        let mut counts: BTreeMap<_, _> = ROWS.iter().map(|(name, ..)| (*name, 1_000.0)).collect();
        assert!(growth(&counts).is_empty());
        counts.insert("post after 9,800 others", 1_030.0);
        assert_eq!(growth(&counts).len(), 1);
    }
}
