//! The tables of `docs/observability.md`.

use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = include_str!("../../../../docs/observability.md");

/// Fields by name: target, level, and message or name of the span.
pub(crate) type Fields = BTreeMap<[String; 3], BTreeSet<String>>;

/// Returns the rows below a heading: the text of each cell, without its backticks.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = PAGE.split(&format!("### {heading}\n")).nth(1).unwrap().split("\n#").next().unwrap();
    let table =
        section.lines().skip_while(|line| !line.starts_with("|---")).skip(1).take_while(|line| line.starts_with('|'));
    table.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()).collect()
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split(", ").map(ToOwned::to_owned).collect()
}

/// Returns the first three cells of each row with the fields in the fourth.
pub(crate) fn documented(heading: &str) -> Fields {
    let fields = |row: Vec<String>| ([row[0].clone(), row[1].clone(), row[2].clone()], names(&row[3]));
    rows(heading).into_iter().map(fields).collect()
}

/// Compares two tables line by line, so that a difference is readable.
pub(crate) fn assert_same(emitted: &Fields, documented: &Fields) {
    let lines = |fields: &Fields| -> BTreeSet<String> {
        fields.iter().map(|(name, fields)| format!("{} {fields:?}", name.join(" | "))).collect()
    };
    let (emitted, documented) = (lines(emitted), lines(documented));
    let missing: Vec<_> = emitted.difference(&documented).collect();
    let surplus: Vec<_> = documented.difference(&emitted).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "emitted only: {missing:#?}\ndocumented only: {surplus:#?}");
}
