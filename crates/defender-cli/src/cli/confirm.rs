//! The confirmation of what changes machines: the number of machines is typed.

use std::io::{self, IsTerminal, Write};

use defender_actions::model::sanitize_line;

use super::signals::Signals;
use crate::{failure::Failure, output::talk::counted};

/// Longest text of what is done, in characters.
const SHOWN: usize = 400;

/// Asks the person at the terminal to type the number of machines, in order to do `what`. With `yes`, nothing is asked.
///
/// # Errors
///
/// Another answer was given, Ctrl-C was pressed, or there is no terminal. Nothing was sent.
pub(super) async fn confirm(
    signals: &mut Signals,
    (number, noun): (usize, &str),
    what: &str,
    yes: bool,
) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage(format!(
            "nothing was sent: {} would be acted on, and there is no terminal to confirm it; add --yes to send",
            counted(number, noun)
        )));
    }
    // The name of the tenant may be of a file.
    let prompt = format!("Type {number} to {}, or anything else to stop: ", sanitize_line(what, SHOWN));
    let _shown = io::stderr().write_all(prompt.as_bytes()).and_then(|()| io::stderr().flush());
    let answer = tokio::select! {
        answer = line() => answer,
        () = signals.next() => return Err(Failure::interrupted("interrupted: nothing was sent")),
    };
    if answer.trim() == number.to_string() {
        return Ok(());
    }
    Err(Failure::usage(format!("nothing was sent: {number} was not typed; run the command again to confirm")))
}

/// Reads a line of stdin on a thread of its own: a read cannot be cancelled, and a runtime would wait for it at its end.
async fn line() -> String {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _read = io::stdin().read_line(&mut line);
        let _heard = sender.send(line);
    });
    receiver.await.unwrap_or_default()
}
