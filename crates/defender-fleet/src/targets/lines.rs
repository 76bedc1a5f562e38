//! Targets in the lines of a text.

use defender_actions::model::sanitize_line;

use super::target::Target;
use crate::{Error, ErrorKind};

/// Longest part of a line in an error.
const SHOWN: usize = 200;

/// Reads the targets of a text, whose name is the first part of each place.
pub(super) fn read(name: &str, text: &[u8]) -> Result<Vec<Target>, Error> {
    let mut targets = Vec::new();
    for (number, line) in (1_u64..).zip(text.split(|byte| *byte == b'\n')) {
        let source = format!("{name}:{number}");
        match std::str::from_utf8(line) {
            Ok(line) if line.trim().is_empty() || line.trim_start().starts_with('#') => {}
            Ok(line) if targets.is_empty() && is_head_of_csv(line) => {
                let why = format!(
                    "`{name}` is a CSV file and no list of ids and names: its first line is `{}`; read one of its columns by \
                     `Targets::csv(..)`",
                    sanitize_line(line.trim(), SHOWN)
                );
                return Err(Error::new(ErrorKind::Configuration, why));
            }
            Ok(line) => targets.push(Target::by_content(line, source)),
            Err(_) => {
                targets.push(Target::invalid(String::from_utf8_lossy(line), source, "the line is not text in UTF-8"));
            }
        }
    }
    Ok(targets)
}

/// Words in the names of columns with machines.
const HEADS: [&str; 7] = ["computer", "device", "fqdn", "host", "id", "machine", "name"];

/// Returns whether a line has several fields, of which one is named as a column with machines. A name of a machine may have a comma, and
/// does not have such a field.
fn is_head_of_csv(line: &str) -> bool {
    let is_separator = |c: char| matches!(c, ',' | ';' | '\t');
    let is_head = |field: &str| {
        let words = field.trim_matches(|c: char| c == '"' || c.is_whitespace()).to_ascii_lowercase();
        // `Device name`, `computerDnsName` and `machine_id` are such names, and `device-17` is the name of a machine.
        words.chars().all(|c| c.is_ascii_lowercase() || c == ' ' || c == '_')
            && HEADS.iter().any(|head| words.trim_end_matches('s').ends_with(head))
    };
    line.to_ascii_lowercase().starts_with("sep=")
        || line.contains(is_separator) && line.split(is_separator).any(is_head)
}
