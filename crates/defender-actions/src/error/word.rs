//! A word of the service in a line.

use defender_model::sanitize_line;

/// Returns a status or type of a record, bounded: the service's own are short, and longer text does not belong in an error.
pub(crate) fn word(word: &str) -> String {
    const LONGEST: usize = 40;
    match sanitize_line(word, LONGEST).as_str() {
        "" => "not stated".to_owned(),
        line => line.to_owned(),
    }
}
