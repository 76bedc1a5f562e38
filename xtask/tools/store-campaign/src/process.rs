//! A process of the campaign: this program again, with an order as the first line of its standard input.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    sync::mpsc::{self, Receiver},
};

use postgres_suite::server::signal;
use serde::{Serialize, de::DeserializeOwned};
use xtask::Failure;

/// The words that make this program one of its processes. They are in no help.
pub(crate) const WORKER: &str = "campaign-worker";
pub(crate) const SERVICE: &str = "campaign-service";

pub(crate) fn broken(what: &str) -> impl Fn(&dyn std::fmt::Display) -> Failure {
    move |error| Failure::broken(what, error)
}

/// A process, which is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    /// The lines of its standard output.
    pub(crate) lines: Receiver<String>,
}

impl Process {
    pub(crate) fn start(word: &str, order: &impl Serialize, log: &Path) -> Result<Self, Failure> {
        let broken = broken(word);
        let log = std::fs::File::options().create(true).append(true).open(log).map_err(|error| broken(&error))?;
        let mut command = Command::new(std::env::current_exe().map_err(|error| broken(&error))?);
        command.arg(word).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(|error| broken(&error))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(broken(&"it has no pipes"));
        };
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut process = Self { child, stdin, lines };
        process.tell(&serde_json::to_string(order).map_err(|error| broken(&error))?)?;
        Ok(process)
    }

    /// Writes a line to its standard input.
    pub(crate) fn tell(&mut self, line: &str) -> Result<(), Failure> {
        let told = self.stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.stdin.flush());
        told.map_err(|error| broken("a process of the campaign")(&error))
    }

    pub(crate) fn signal(&self, name: &str) -> Result<(), Failure> {
        signal(name, self.child.id())
    }

    /// Returns whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// The main function of a process. Its lines after the order come one by one; it ends when its supervisor does.
pub(crate) fn main<O: DeserializeOwned, F: Future<Output = Result<(), Failure>>>(
    work: impl FnOnce(O, tokio::sync::mpsc::UnboundedReceiver<String>) -> F,
) -> ExitCode {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        hook(panic);
        std::process::exit(101);
    }));
    let mut order = String::new();
    if std::io::stdin().lock().read_line(&mut order).is_err() {
        return ExitCode::from(2);
    }
    let (sender, words) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _heard = sender.send(line);
        }
        std::process::exit(3);
    });
    let order = serde_json::from_str(&order).map_err(|error| broken("the order")(&error));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| broken("the runtime")(&error));
    match order.and_then(|order| runtime?.block_on(work(order, words))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("campaign c: {failure:?}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line for the supervisor.
pub(crate) fn say(note: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(note) {
        println!("{line}");
    }
}
