//! What was broken and who noticed, as docs/breaks.md has it.

use std::fmt::Write;

use super::{
    judge::{Judge, Judged},
    patch::Patch,
};

/// What one judge made of one patch.
pub(super) struct Row<'p> {
    pub(super) patch: &'p Patch,
    pub(super) judge: &'p Judge,
    pub(super) judged: Judged,
}

/// A table in Markdown.
pub(super) fn of(rows: &[Row<'_>]) -> String {
    let mut table = "| promise | broken by | judge | |\n|---|---|---|---|\n".to_owned();
    for Row { patch, judge, judged } in rows {
        // Writing to a string does not fail.
        let _written = writeln!(table, "| {} | `{}` | `{}` | {judged} |", patch.promise, patch.name, judge.line());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{super::judge::Kind, *};

    #[test]
    fn each_judge_has_a_row() {
        let patch = Patch { name: "10-a".to_owned(), promise: 1, ..Patch::default() };
        let judge = Judge { kind: Kind::campaign("--seeds 0..9").unwrap(), shows: String::new() };
        let table = of(&[Row { patch: &patch, judge: &judge, judged: Judged::Caught { seeds: Some(3) } }]);
        assert!(
            table.ends_with("| 1 | `10-a` | `cargo xtask campaign --seeds 0..9` | caught after 3 seeds |\n"),
            "{table}"
        );
    }
}
