//! Data on stdout in four formats, and talk on stderr.

mod format;
pub(crate) mod progress;
pub(crate) mod talk;

use std::io::{self, ErrorKind, IsTerminal, Write};

use console::Term;
use serde::Serialize;
use serde_json::Value;

pub(crate) use self::format::Format;
use crate::failure::{Exit, Failure};

/// Row of the data. Its serialized form is the object of `json` and `jsonl`.
pub(crate) trait Record: Serialize {
    /// Columns of `csv`, in their order: names of fields.
    const COLUMNS: &'static [&'static str];
    /// Columns of `table`.
    const TABLE: &'static [&'static str];
}

/// Printer of data on stdout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
}

impl Output {
    /// Prints the rows.
    ///
    /// # Errors
    ///
    /// Stdout cannot be written. A reader that has closed the pipe is no error.
    pub(crate) fn print<R: Record>(self, rows: &[R]) -> Result<(), Failure> {
        let stdout = io::stdout();
        let width = stdout.is_terminal().then(|| Term::stdout().size().1);
        let mut text = Vec::new();
        self.write(rows, width, &mut text)?;
        written(stdout.lock().write_all(&text).and_then(|()| stdout.lock().flush()))
    }

    /// Writes the rows. A table is wrapped to the width, if there is one.
    fn write<R: Record>(self, rows: &[R], width: Option<u16>, out: &mut impl Write) -> Result<(), Failure> {
        let invalid = |error: serde_json::Error| written(Err(error.into()));
        match self.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, rows).or_else(invalid)?;
                written(out.write_all(b"\n"))
            }
            Format::Jsonl => rows.iter().try_for_each(|row| {
                serde_json::to_writer(&mut *out, row).or_else(invalid)?;
                written(out.write_all(b"\n"))
            }),
            Format::Csv => written(format::csv(R::COLUMNS, &objects(rows)?, out)),
            Format::Table if rows.is_empty() => Ok(()),
            Format::Table => written(out.write_all(format::table(R::TABLE, &objects(rows)?, width).as_bytes())),
        }
    }
}

/// Returns the worse of an exit code and that of a failure to print, which is printed on stderr.
pub(crate) fn exit_of_printed(exit: Exit, printed: Result<(), Failure>) -> Exit {
    printed.map_or_else(
        |failure| {
            talk::error(&failure.message);
            exit.max(failure.exit)
        },
        |()| exit,
    )
}

/// Prints text on stdout as it is.
///
/// # Errors
///
/// As [`Output::print`].
pub(crate) fn print_text(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

fn objects<R: Record>(rows: &[R]) -> Result<Vec<Value>, Failure> {
    let objects = rows.iter().map(serde_json::to_value).collect::<Result<_, _>>();
    objects.map_err(|error| Failure::new(Exit::Failed, format!("the data cannot be written: {error}")))
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::Failed,
            format!("cannot write to standard output: {error}; check the disk or the pipe"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Host {
        name: &'static str,
        tags: Vec<&'static str>,
        seen: Option<&'static str>,
    }

    impl Record for Host {
        const COLUMNS: &'static [&'static str] = &["name", "tags", "seen"];
        const TABLE: &'static [&'static str] = &["name", "tags"];
    }

    fn written_as(format: Format) -> String {
        let rows = [
            Host { name: "ws-1", tags: vec!["a", "b,c"], seen: None },
            Host { name: "ws-2\u{1b}[31m", tags: vec![], seen: Some("=today") },
        ];
        let mut text = Vec::new();
        Output { format }.write(&rows, None, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn each_format_has_all_rows() {
        assert_eq!(written_as(Format::Csv), "name,tags,seen\nws-1,\"a;b,c\",\nws-2\u{1b}[31m,,'=today\n");
        assert_eq!(
            written_as(Format::Jsonl),
            "{\"name\":\"ws-1\",\"tags\":[\"a\",\"b,c\"],\"seen\":null}\n\
             {\"name\":\"ws-2\\u001b[31m\",\"tags\":[],\"seen\":\"=today\"}\n"
        );
        let json: Value = serde_json::from_str(&written_as(Format::Json)).unwrap();
        assert_eq!(json[0]["tags"][1], "b,c");
    }

    #[test]
    fn table_has_no_control_characters() {
        let table = written_as(Format::Table);
        assert!(!table.contains('\u{1b}'), "{table:?}");
        assert_eq!(table, "NAME  TAGS\nws-1  a, b,c\nws-2\n");
    }
}
