//! Formats of the data.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use defender_actions::model::sanitize_line;
use jiff::Timestamp;
use serde_json::Value;

/// Format of the data on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people
    #[default]
    Table,
    /// One JSON array
    Json,
    /// One JSON object a line
    Jsonl,
    /// RFC 4180 with a header line
    Csv,
}

/// Longest cell of a table, in characters.
const CELL: usize = 400;

/// Returns the table of these columns. Its lines end without blanks.
pub(super) fn table(columns: &[&str], rows: &[Value], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(|column| column.replace('_', " ").to_uppercase()));
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for row in rows {
        table.add_row(columns.iter().map(|column| short(sanitize_line(&cell(row, column), CELL))));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut lines = String::new();
    for line in table.lines() {
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
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
        writer.write_record(columns.iter().map(|column| cell(row, column)))?;
    }
    writer.flush()
}

/// Returns a field as text: empty for null, and the items of a list with semicolons.
fn cell(row: &Value, column: &str) -> String {
    fn text(value: &Value) -> String {
        match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(";"),
            other => other.to_string(),
        }
    }
    row.get(column).map(text).unwrap_or_default()
}
