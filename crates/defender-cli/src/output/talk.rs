//! Talk on stderr: sentences for a person, and errors.

use std::io::{self, Write};

use console::style;

/// Prints a line on stderr. A stderr that is closed is ignored: the exit code stays.
pub(crate) fn say(line: &str) {
    let _printed = writeln!(io::stderr().lock(), "{}", in_options(line));
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
