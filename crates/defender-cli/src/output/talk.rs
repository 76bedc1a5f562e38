//! Talk on stderr: sentences for a person, and errors.

use std::io::{self, Write};

use console::style;

/// Prints a line on stderr. A stderr that is closed is ignored: the exit code stays.
pub(crate) fn say(line: &str) {
    let _printed = writeln!(io::stderr().lock(), "{line}");
}

/// Prints a line on stderr that begins a new part.
pub(crate) fn heading(line: &str) {
    say(&style(line).for_stderr().bold().to_string());
}

/// Prints an error on stderr.
pub(crate) fn error(message: &str) {
    say(&format!("{} {message}", style("error:").for_stderr().red().bold()));
}

/// Prints a warning on stderr.
pub(crate) fn warn(message: &str) {
    say(&format!("{} {message}", style("warning:").for_stderr().yellow().bold()));
}

/// Returns a number and its noun: `1 machine`, `2 machines`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
