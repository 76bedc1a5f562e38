//! Formats of the data.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use console::measure_text_width;
use defender_actions::model::sanitize_line;
use jiff::Timestamp;
use serde_json::Value;

/// Format of the data on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // Columns for people
    #[default]
    Table,
    // One JSON array
    Json,
    // One JSON object a line
    Jsonl,
    // RFC 4180 with a header line
    Csv,
}

/// Longest cell of a table, in characters.
const CELL: usize = 400;

/// Columns whose cells may be wrapped. The others are shown as a whole, so that ids and names can be copied.
const WRAPPED: [&str; 9] =
    ["any_of", "comment", "detail", "endpoint_role", "error", "halted", "pending", "tags", "unified_rbac"];

/// Least width of a wrapped column, and the longest word that is kept whole in it.
const LEAST: usize = 20;
const WIDEST: usize = 32;
/// Blanks between columns.
const GAP: usize = 2;

/// Returns the table of these columns, without those that have no text at all. If the terminal is too narrow, the last columns are
/// left out. Without a terminal nothing is wrapped, and the columns that may be long come last. Its lines end without blanks.
pub(super) fn table(columns: &[&str], rows: &[Value], width: Option<u16>) -> String {
    let text = |row: &Value, column: &str| short(sanitize_line(&cell(row, column, ", "), CELL));
    let mut shown: Vec<_> = columns
        .iter()
        .map(|column| (*column, rows.iter().map(|row| text(row, column)).collect::<Vec<_>>()))
        .filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()))
        .collect();
    if width.is_none() {
        shown.sort_by_key(|(column, _)| WRAPPED.contains(column));
    }
    if let Some(width) = width.map(usize::from) {
        let needed = |(column, cells): &(&str, Vec<String>)| {
            let longest = cells.iter().map(|cell| measure_text_width(cell)).max().unwrap_or_default();
            let longest = longest.max(column.len());
            GAP + if WRAPPED.contains(column) { longest.min(least(column, cells)) } else { longest }
        };
        while shown.len() > 1 && shown.iter().map(needed).sum::<usize>() > width {
            shown.pop();
        }
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(shown.iter().map(|(column, _)| column.replace('_', " ").to_uppercase()));
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for row in 0..rows.len() {
        table.add_row(shown.iter().map(|(_, cells)| cells.get(row).map_or("", String::as_str)));
    }
    for (column, (name, cells)) in table.column_iter_mut().zip(&shown) {
        column.set_padding((0, 2));
        column.set_constraint(if WRAPPED.contains(name) {
            let least = u16::try_from(least(name, cells)).unwrap_or(u16::MAX);
            ColumnConstraint::LowerBoundary(Width::Fixed(least + 2))
        } else {
            ColumnConstraint::ContentWidth
        });
    }
    let mut lines = String::new();
    for line in table.lines() {
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

/// Returns the least width of a wrapped column, in which its words are whole.
fn least(column: &str, cells: &[String]) -> usize {
    let words = cells.iter().flat_map(|cell| cell.split(' ')).map(measure_text_width);
    words.max().unwrap_or_default().clamp(LEAST, WIDEST).max(column.len())
}

/// Returns a time without its fraction of a second, and another text as it is.
fn short(text: String) -> String {
    match text.split_once('.') {
        Some((seconds, _)) if seconds.len() == "2026-01-01T00:00:00".len() && text.parse::<Timestamp>().is_ok() => {
            format!("{seconds}Z")
        }
        _ => text,
    }
}

/// Writes a header and the rows.
pub(super) fn csv(columns: &[&str], rows: &[Value], out: &mut impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(columns)?;
    for row in rows {
        writer.write_record(columns.iter().map(|column| quoted(cell(row, column, ";"))))?;
    }
    writer.flush()
}

/// Returns a text that a spreadsheet would take for a formula with a `'` before it: names and texts of errors come from outside.
fn quoted(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

/// Returns a field as text: empty for null, and the items of a list with a separator.
fn cell(row: &Value, column: &str, separator: &str) -> String {
    fn text(value: &Value, separator: &str) -> String {
        match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().map(|item| text(item, separator)).collect::<Vec<_>>().join(separator),
            other => other.to_string(),
        }
    }
    row.get(column).map(|value| text(value, separator)).unwrap_or_default()
}
