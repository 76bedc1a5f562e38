//! The lines of the file.

use std::{
    borrow::Cow,
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
};

use defender_model::{MachineAction, read_json, sanitize_line};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Intent,
    journal::{
        entry::{EntryKey, Settled, Settlement},
        table::Table,
    },
};

/// Longest part of a line in an error, in characters.
const SHOWN: usize = 300;

/// One change of an entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a line lives for a moment, and the usual one borrows")]
pub(super) enum Line<'a> {
    Intended {
        key: Ref<'a, EntryKey>,
        intent: Ref<'a, Intent>,
    },
    Settled {
        key: Ref<'a, EntryKey>,
        #[serde(flatten)]
        outcome: Ref<'a, Settlement>,
    },
    Finished {
        key: Ref<'a, EntryKey>,
        action: Ref<'a, MachineAction>,
    },
}

/// Borrowed when a line is written, and owned when it is read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Ref<'a, T: Clone>(Cow<'a, T>);

impl<'a, T: Clone> From<&'a T> for Ref<'a, T> {
    fn from(value: &'a T) -> Self {
        Self(Cow::Borrowed(value))
    }
}

/// Line with its time, as it is read.
#[derive(Debug, Deserialize)]
struct Dated {
    /// For people who read the file.
    #[serde(rename = "at")]
    _at: Timestamp,
    #[serde(flatten)]
    line: Line<'static>,
}

impl Line<'_> {
    /// Returns the line with its end.
    pub(super) fn text(&self, at: Timestamp) -> Result<Vec<u8>, serde_json::Error> {
        #[derive(Serialize)]
        struct Dated<'a> {
            at: Timestamp,
            #[serde(flatten)]
            line: &'a Line<'a>,
        }
        let mut text = serde_json::to_vec(&Dated { at, line: self })?;
        text.push(b'\n');
        Ok(text)
    }

    fn apply(self, table: &mut Table) {
        match self {
            Self::Intended { key, intent } => {
                table.intend(&key.0, &intent.0, None);
            }
            Self::Settled { key, outcome } => {
                // The file has only lines that were accepted.
                let _settled: Settled = table.settle(&key.0, None, &outcome.0);
            }
            Self::Finished { key, action } => {
                table.finish(&key.0, &action.0);
            }
        }
    }
}

/// Returns the entries of the file, and the end of its last whole line. The file stays as it is.
pub(super) fn replay(file: &mut File) -> Result<(Table, u64), String> {
    let cannot = |source: std::io::Error| format!("cannot be read: {source}");
    file.seek(SeekFrom::Start(0)).map_err(cannot)?;
    let (mut reader, mut text) = (BufReader::new(file), Vec::new());
    let (mut table, mut end, mut number) = (Table::default(), 0_u64, 0_u64);
    loop {
        text.clear();
        let length = reader.read_until(b'\n', &mut text).map_err(cannot)?;
        if text.pop() != Some(b'\n') {
            // The end of the file, or a line that a crash has torn.
            return Ok((table, end));
        }
        number = number.saturating_add(1);
        end = end.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        let dated: Dated = read_json(&text).map_err(|source| {
            // The text of the error may have a value of the line.
            let why = sanitize_line(&source.to_string(), SHOWN);
            format!("line {number} is not of a journal that this program can read: {why}; correct or remove the line, or choose another file")
        })?;
        dated.line.apply(&mut table);
    }
}
