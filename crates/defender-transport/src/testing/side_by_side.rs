//! Expected and actual text in two columns.

use std::fmt;

/// A table of rows, of which some differ.
#[derive(Debug, Default)]
pub(super) struct SideBySide {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    label: String,
    expected: String,
    actual: String,
}

impl Row {
    fn differs(&self) -> bool {
        self.expected != self.actual
    }
}

impl SideBySide {
    /// One line.
    pub(super) fn row(&mut self, label: &str, expected: impl Into<String>, actual: impl Into<String>) {
        self.rows.push(Row { label: label.into(), expected: expected.into(), actual: actual.into() });
    }

    /// Several lines, with those that are the same beside each other.
    pub(super) fn text(&mut self, label: &str, expected: &str, actual: &str) {
        let (expected, actual): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
        for (number, (expected, actual)) in aligned(&expected, &actual).into_iter().enumerate() {
            self.row(if number == 0 { label } else { "" }, expected, actual);
        }
    }

    /// Number of rows that differ.
    pub(super) fn differences(&self) -> usize {
        self.rows.iter().filter(|row| row.differs()).count()
    }
}

impl fmt::Display for SideBySide {
    /// Rows that differ begin with a `!`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |of: fn(&Row) -> &str, least: usize| {
            self.rows.iter().map(|row| of(row).chars().count()).max().unwrap_or_default().max(least)
        };
        let (label, expected) = (width(|row| &row.label, 0), width(|row| &row.expected, "expected".len()));
        write!(f, "  {:label$}  {:expected$} | actual", "", "expected")?;
        for row in &self.rows {
            let mark = if row.differs() { '!' } else { ' ' };
            let line = format!("{mark} {:label$}  {:expected$} | {}", row.label, row.expected, row.actual);
            write!(f, "\n{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Pairs the lines so that as many as can be are the same: by the longest common subsequence.
fn aligned<'a>(expected: &[&'a str], actual: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let common = common_lengths(expected, actual);
    let length = |x: usize, y: usize| common.get(x).and_then(|row| row.get(y)).copied().unwrap_or_default();
    let (mut pairs, mut x, mut y) = (Vec::new(), 0, 0);
    // Where the lines that differ since the last common one begin.
    let (mut from_x, mut from_y) = (0, 0);
    loop {
        match (expected.get(x), actual.get(y)) {
            (Some(left), Some(right)) if left != right => {
                if length(x + 1, y) >= length(x, y + 1) {
                    x += 1;
                } else {
                    y += 1;
                }
            }
            (Some(same), Some(_)) => {
                pairs.extend(beside(expected, from_x..x, actual, from_y..y));
                pairs.push((*same, *same));
                (x, y) = (x + 1, y + 1);
                (from_x, from_y) = (x, y);
            }
            _ => {
                pairs.extend(beside(expected, from_x..expected.len(), actual, from_y..actual.len()));
                return pairs;
            }
        }
    }
}

/// Number of lines that `expected` from `x` on and `actual` from `y` on have in common, at `[x][y]`.
fn common_lengths(expected: &[&str], actual: &[&str]) -> Vec<Vec<usize>> {
    let mut rows = vec![vec![0; actual.len() + 1]];
    for left in expected.iter().rev() {
        let below = rows.last().map(Vec::as_slice).unwrap_or_default();
        let mut row = vec![0];
        for (right, two) in actual.iter().rev().zip(below.windows(2).rev()) {
            let &[down, diagonal] = two else { continue };
            let best = if left == right { diagonal + 1 } else { down.max(row.last().copied().unwrap_or_default()) };
            row.push(best);
        }
        row.reverse();
        rows.push(row);
    }
    rows.reverse();
    rows
}

/// Lines that have nothing in common, beside each other.
fn beside<'a>(
    expected: &[&'a str],
    left: std::ops::Range<usize>,
    actual: &[&'a str],
    right: std::ops::Range<usize>,
) -> Vec<(&'a str, &'a str)> {
    let (left, right) = (expected.get(left).unwrap_or_default(), actual.get(right).unwrap_or_default());
    let line = |lines: &[&'a str], number| lines.get(number).copied().unwrap_or_default();
    (0..left.len().max(right.len())).map(|number| (line(left, number), line(right, number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lines_are_aligned() {
        let mut table = SideBySide::default();
        table.row("method", "POST", "POST");
        table.text("body", "{\n  \"a\": 1,\n  \"b\": 2\n}", "{\n  \"b\": 3\n}");
        assert_eq!(table.differences(), 2);
        let lines = [
            "          expected  | actual",
            "  method  POST      | POST",
            "  body    {         | {",
            "!           \"a\": 1, |   \"b\": 3",
            "!           \"b\": 2  |",
            "          }         | }",
        ];
        assert_eq!(table.to_string(), lines.join("\n"));
    }

    #[test]
    fn a_line_more_shifts_no_other() {
        let same = aligned(&["a", "b", "c"], &["a", "x", "b", "c"]);
        assert_eq!(same, [("a", "a"), ("", "x"), ("b", "b"), ("c", "c")]);
        assert_eq!(aligned(&[], &["x"]), [("", "x")]);
        assert_eq!(aligned(&["x", "y"], &[]), [("x", ""), ("y", "")]);
        assert_eq!(aligned(&[], &[]), []);
    }
}
