//! A program that is given so much time.

use std::{
    fs::File,
    path::Path,
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use crate::{Failure, workspace::line};

/// How a program ended, and what it said on stdout and stderr.
#[derive(Debug)]
pub(super) struct Ended {
    /// `None` where its time was over.
    pub(super) status: Option<ExitStatus>,
    pub(super) said: String,
}

/// Runs `command`, for `at_most` so long. What it says goes to the file `said`, for a person to read later.
#[expect(clippy::disallowed_methods, reason = "a program of its own runs in real time")]
pub(super) fn run(command: &mut Command, said: &Path, at_most: Duration) -> Result<Ended, Failure> {
    let broken = |error: std::io::Error| Failure::broken(format!("`{}`", line(command)), error);
    let file = File::create(said).map_err(broken)?;
    let copy = file.try_clone().map_err(broken)?;
    let broken = |error: std::io::Error| Failure::broken(said.display(), error);
    let mut program = command.stdout(file).stderr(copy).spawn().map_err(broken)?;
    let began = Instant::now();
    let status = loop {
        match program.try_wait().map_err(broken)? {
            Some(status) => break Some(status),
            None if began.elapsed() > at_most => {
                program.kill().and_then(|()| program.wait()).map_err(broken)?;
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let said = std::fs::read(said).map_err(broken)?;
    Ok(Ended { status, said: String::from_utf8_lossy(&said).into_owned() })
}
