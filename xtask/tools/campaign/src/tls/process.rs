//! The process of a worker, which is killed when its handle is dropped, and ends by itself where its supervisor does.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
};

use xtask::Failure;

use super::notes::{Note, Order};

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::broken("a process of the campaign", error)
}

/// The word that makes this program a worker. It is in no help.
pub(crate) const WORKER: &str = "worker";

/// The file in the folder of a seed for what the workers print on stderr.
pub(super) const WORDS: &str = "worker.txt";

/// A worker, and what it tells.
#[derive(Debug)]
pub(super) struct Worker {
    process: Child,
    pub(super) notes: Receiver<Note>,
    /// It works as long as this is open.
    stdin: Option<ChildStdin>,
}

impl Worker {
    /// Starts it: this same program, with a command that no help tells of.
    pub(super) fn start(order: &Order) -> Result<Self, Failure> {
        let words = File::options().create(true).append(true).open(order.folder.join(WORDS)).map_err(broken)?;
        let mut command = Command::new(std::env::current_exe().map_err(broken)?);
        command.arg(WORKER).stderr(words);
        Self::begin(command, order)
    }

    /// Starts what does a worker's work, and gives it its order.
    pub(super) fn begin(mut command: Command, order: &Order) -> Result<Self, Failure> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(broken)?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let (sender, notes) = mpsc::channel();
        // Held from here on, so that it is killed whatever comes.
        let mut worker = Self { process, notes, stdin };
        // It ends with the worker, whose end closes the pipe.
        std::thread::spawn(move || {
            let lines = stdout.map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok);
            for note in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                if sender.send(note).is_err() {
                    break;
                }
            }
        });
        let mut line = serde_json::to_vec(order).map_err(broken)?;
        line.push(b'\n');
        if let Some(stdin) = &mut worker.stdin {
            stdin.write_all(&line).map_err(broken)?;
        }
        Ok(worker)
    }

    /// Kills it with SIGKILL, which it can neither catch nor prepare for.
    pub(super) fn kill(mut self) {
        self.end();
    }

    /// Waits for its end, and returns its exit code.
    pub(super) fn ended(&mut self) -> Result<Option<i32>, Failure> {
        self.process.wait().map(|status| status.code()).map_err(broken)
    }

    fn end(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}
