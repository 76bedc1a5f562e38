//! The report as a table.

use super::{Report, ReportRow};
use crate::{Error, ErrorKind};

/// Columns of the table.
const COLUMNS: [&str; 16] = [
    "tenant",
    "machine_id",
    "machine",
    "action",
    "state",
    "origin",
    "status",
    "error_kind",
    "error",
    "advice",
    "action_id",
    "wave",
    "attempts",
    "started_at",
    "submitted_at",
    "ended_at",
];

impl Report {
    /// Returns the rows as CSV, with a line of titles. Waves count from 1 there.
    ///
    /// A field that a spreadsheet would take for a formula, since it begins with `=`, `+`, `-`, `@` or a tab, begins with a `'`: names of
    /// machines and texts of errors come from outside.
    ///
    /// # Errors
    ///
    /// [`PlanFile`](ErrorKind::PlanFile) if the table cannot be written, which does not happen in memory.
    pub fn to_csv(&self) -> Result<String, Error> {
        let failed = |why: String| Error::new(ErrorKind::PlanFile, format!("the report has no CSV form: {why}"));
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(COLUMNS).map_err(|error| failed(error.to_string()))?;
        for row in &self.rows {
            table.write_record(fields(row)).map_err(|error| failed(error.to_string()))?;
        }
        let bytes = table.into_inner().map_err(|error| failed(error.to_string()))?;
        String::from_utf8(bytes).map_err(|error| failed(error.to_string()))
    }
}

fn fields(row: &ReportRow) -> [String; 16] {
    fn text(value: Option<impl ToString>) -> String {
        let text = value.map(|value| value.to_string()).unwrap_or_default();
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
    }
    let error = row.error.as_ref();
    [
        text(Some(&row.tenant)),
        text(row.machine_id.as_ref()),
        text(row.machine.as_ref()),
        text(Some(&row.action)),
        text(Some(row.state)),
        text(row.origin),
        text(row.status.as_ref()),
        text(error.map(|error| &error.kind)),
        text(error.map(|error| &error.message)),
        text(error.and_then(|error| error.advice.as_ref())),
        text(row.action_id.as_ref()),
        text(row.wave.map(|wave| wave.saturating_add(1))),
        text(Some(row.attempts)),
        text(row.started_at),
        text(row.submitted_at),
        text(row.ended_at),
    ]
}
