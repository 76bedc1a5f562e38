//! What a worker writes into its journal, and tells its supervisor.

use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

use defender_emulator::FastClock;
use defender_transport::Clock;

use super::{
    journal::{Event, Journal, Line},
    notes::Note,
};

/// The exit code of a worker that cannot write, or whom nobody listens to.
const DEAF: i32 = 3;

/// Writes and tells. Where that cannot be done the process ends: a worker that goes on unheard would only spoil the evidence.
#[derive(Debug)]
pub(super) struct Teller {
    journal: Journal,
    clock: FastClock,
}

impl Teller {
    pub(super) fn open(path: &Path, clock: FastClock) -> io::Result<Self> {
        Ok(Self { journal: Journal::open(path)?, clock })
    }

    /// Writes it down, as of now.
    pub(super) fn write(&self, event: Event) {
        let line = Line { at: self.clock.now().to_string(), event };
        if self.journal.write(&line).is_err() {
            std::process::exit(DEAF);
        }
        tell(&Note::Progress);
    }

    /// How long its clock has gone.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }
}

/// Tells the supervisor.
pub(super) fn tell(note: &Note) {
    let told = serde_json::to_string(note).map_err(io::Error::other).and_then(|line| {
        let mut out = io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    });
    if told.is_err() {
        std::process::exit(DEAF);
    }
}
