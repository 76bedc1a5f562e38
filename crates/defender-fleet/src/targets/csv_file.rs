//! Targets in a column of a CSV file.

use csv::{ByteRecord, ReaderBuilder};
use defender_actions::model::sanitize_line;

use super::target::Target;
use crate::{Error, ErrorKind};

/// Longest part of a row that is shown, in characters.
const SHOWN: usize = 200;
/// Longest list of columns that is shown, in characters.
const COLUMNS: usize = 1_000;

/// Reads the targets of a column. The name of the file is the first part of each place.
pub(super) fn read(name: &str, text: &[u8], column: &str) -> Result<Vec<Target>, Error> {
    let stated = stated_delimiter(text);
    let (text, first) = stated.map_or((text, 1), |(_, rest)| (rest, 2));
    let delimiter = stated.map_or_else(|| delimiter(text), |(delimiter, _)| delimiter);
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text);
    let failed = |error: csv::Error| {
        Error::new(ErrorKind::Configuration, format!("the CSV file `{name}` cannot be read: {error}")).caused_by(error)
    };
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(failed)? {
        return Err(Error::new(ErrorKind::Configuration, format!("the CSV file `{name}` is empty")));
    }
    let columns: Vec<_> = record.iter().map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect();
    let place = place_of(name, &columns, column)?;
    let mut targets = Vec::new();
    let mut lines = Lines { text, read: 0, line: first };
    while reader.read_byte_record(&mut record).map_err(failed)? {
        let line = lines.of_row_after(record.position().map_or(0, csv::Position::byte));
        targets.push(target(&record, place, column, (name, line)));
    }
    Ok(targets)
}

/// Lines of a text, counted as far as it was read. The position of a row in the reader is before the line end of the row above it.
struct Lines<'t> {
    text: &'t [u8],
    read: usize,
    line: u64,
}

impl Lines<'_> {
    /// Number of the line of the first row after this byte, which never goes back.
    fn of_row_after(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(next) = self.text.get(self.read) {
            if self.read >= byte && !matches!(next, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*next == b'\n');
            self.read += 1;
        }
        self.line
    }
}

fn target(record: &ByteRecord, place: usize, column: &str, (name, line): (&str, u64)) -> Target {
    let source = format!("{name}:{line}");
    let whole = || {
        let fields: Vec<_> = record.iter().map(String::from_utf8_lossy).collect();
        fields.join(",").chars().take(SHOWN).collect::<String>()
    };
    // A quote that is not closed takes the rows below into its field.
    let breaks = record.iter().flatten().filter(|byte| **byte == b'\n').count();
    if breaks > 0 || record.iter().flatten().any(|byte| *byte == b'\r') {
        let last = line.saturating_add(u64::try_from(breaks).unwrap_or(u64::MAX));
        let why = format!(
            "a field has a line break, and the row takes the lines {line} to {last}; a quote may be missing, or remove the line break"
        );
        return Target::invalid(whole(), source, why);
    }
    let Some(field) = record.get(place) else {
        let has = record.len();
        let why = format!("the row has {has} of at least {} fields, and none in the column `{column}`", place + 1);
        return Target::invalid(whole(), source, why);
    };
    match std::str::from_utf8(field) {
        Ok(text) if text.trim().is_empty() => {
            Target::invalid(whole(), source, format!("the column `{column}` is blank"))
        }
        Ok(text) => Target::by_content(text, source),
        Err(_) => Target::invalid(whole(), source, format!("the column `{column}` is not text in UTF-8")),
    }
}

/// Place of the column of exactly this name.
fn place_of(name: &str, columns: &[String], column: &str) -> Result<usize, Error> {
    let mut places =
        columns.iter().enumerate().filter(|(_, of_file)| *of_file == column.trim()).map(|(place, _)| place);
    let why = match (places.next(), places.next()) {
        (Some(place), None) => return Ok(place),
        (Some(_), Some(_)) => format!("has the column `{column}` several times; rename one of them"),
        (None, _) => {
            let is_other = |name: &String| name.contains(SEPARATORS.map(char::from));
            let advice = if columns.iter().any(is_other) {
                "; if that is one column too few, write the separator into a first line of its own, such as `sep=;`"
            } else {
                ""
            };
            format!(
                "has no column `{column}`; its columns are: {}{advice}",
                sanitize_line(&columns.join(", "), COLUMNS)
            )
        }
    };
    Err(Error::new(ErrorKind::Configuration, format!("the CSV file `{name}` {why}")))
}

/// Separators, the least likely one first.
const SEPARATORS: [u8; 3] = [b'\t', b';', b','];

/// Separator that a first line `sep=;` states, as Excel reads and writes it, and the text below that line.
fn stated_delimiter(text: &[u8]) -> Option<(u8, &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (line, rest) = text.split_at(end);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (word, separator) = line.split_at_checked(4)?;
    match separator {
        [separator]
            if word.eq_ignore_ascii_case(b"sep=") && !separator.is_ascii_alphanumeric() && *separator != b'"' =>
        {
            Some((*separator, rest.get(1..).unwrap_or_default()))
        }
        _ => None,
    }
}

/// Separator that the first line has most of, outside quotes.
fn delimiter(text: &[u8]) -> u8 {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let outside = first.split(|byte| *byte == b'"').step_by(2);
    let count = |separator: u8| outside.clone().flatten().filter(|byte| **byte == separator).count();
    // Of two that are equal, `max_by_key` takes the last one.
    SEPARATORS.into_iter().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}
