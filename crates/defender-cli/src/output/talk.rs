//! Talk on stderr: sentences for a person, and errors.

use std::io::{self, Write};

use console::style;
use defender_actions::model::sanitize_terminal;

/// Prints a line on stderr. A stderr that is closed is ignored: the exit code stays.
pub(crate) fn say(line: &str) {
    write(&shown(line));
}

fn write(line: &str) {
    let _printed = writeln!(io::stderr().lock(), "{line}");
}

/// Returns a text as a person may see it: names of machines, reasons and messages of a service come from outside.
fn shown(text: &str) -> String {
    sanitize_terminal(&in_options(text))
}

/// Methods of the libraries in their messages, and what a person types in their place.
const OPTIONS: [(&str, &str); 10] = [
    ("set them with `.targets(..)`", "name machines, or a list of them"),
    ("`machines().find(..)` of defender-actions", "`defender find NAME`"),
    ("`Plan::save`", "`defender plan ACTION … --out FILE`"),
    ("`machines().find(..)`", "`defender find NAME`"),
    ("`.max_machines(..)`", "`--max`"),
    ("read one of its columns by `Targets::csv(..)`", "name one of its columns: `--csv FILE:COLUMN`"),
    ("`.even_if_not_ours()`", "`--even-if-not-ours`"),
    ("`Fleet::runs` lists its runs", "`defender report` lists its runs"),
    ("call `recover_pending()`, or `recover(..)` with its `intent()`", "resume the run"),
    ("call `recover(..)` with its `intent()`", "resume the run"),
];

/// Returns a message of a library with options of this program in place of methods.
pub(crate) fn in_options(text: &str) -> String {
    OPTIONS.iter().fold(text.to_owned(), |text, (method, option)| text.replace(method, option))
}

/// Prints a line on stderr that begins a new part.
pub(crate) fn heading(line: &str) {
    write(&style(shown(line)).for_stderr().bold().to_string());
}

/// Prints an error on stderr.
pub(crate) fn error(message: &str) {
    write(&format!("{} {}", style("error:").for_stderr().red().bold(), shown(message)));
}

/// Prints a warning on stderr.
pub(crate) fn warn(message: &str) {
    write(&format!("{} {}", style("warning:").for_stderr().yellow().bold(), shown(message)));
}

/// Returns a number and its noun: `1 machine`, `2 machines`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
