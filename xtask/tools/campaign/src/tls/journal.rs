//! Journal of a worker: a line of JSON for each event, the intent before anything is sent, the outcome after.
//!
//! A line is written with one call, so that a killed worker leaves whole lines. Lines that the system has taken outlive the process.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use defender_actions::Intent;
use defender_emulator::FastClock;
use defender_transport::Clock;
use serde::{Deserialize, Serialize};

use super::notes::Note;
use crate::{evidence::Said, flow::Written};

/// The journal in the folder of a seed.
pub(super) const JOURNAL: &str = "journal.jsonl";

/// A thing that happened, at a time of the worker's wall clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at: String,
    #[serde(flatten)]
    pub(super) event: Event,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(super) enum Event {
    /// A process begins, the first as number 0.
    Began { incarnation: u32 },
    /// Comparison of this process's clock with the emulator's, in nanoseconds: so much ahead at least, and at most.
    Compared { least: i64, most: i64 },
    /// An action is about to be asked for.
    Intended { tag: String, intent: Intent, resend_if_lost: bool },
    /// The worker itself failed.
    Broken { why: String },
    /// A POST is sent.
    Departed { id: String },
    /// The head of its response has arrived.
    Answered { id: String, status: u16 },
    /// An attempt ended without a response, or was dropped.
    GaveUp { id: String },
    /// A statement of the client.
    Said { tag: String, by_intent: bool, said: Said },
    /// A response took longer than any before it.
    Late { seconds: f64 },
    /// A secret was seen.
    Secret { place: String },
    /// All steps are done, and so many events were looked through.
    Done { events: u64 },
}

/// The exit code of a worker that cannot write, or whom nobody listens to.
const DEAF: i32 = 3;

/// The worker's journal. The process ends if it cannot write: its later events would be missing from the evidence.
#[derive(Debug)]
pub(super) struct Journal {
    file: Mutex<File>,
    pub(super) clock: FastClock,
}

impl Journal {
    /// Opens the file to add to it; what is in it stays.
    pub(super) fn open(path: &Path, clock: FastClock) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        // Should the last line have been cut off after all, the next is not to be lost with it.
        file.write_all(b"\n")?;
        Ok(Self { file: Mutex::new(file), clock })
    }

    /// Writes it down, as of now, and tells the supervisor that something was.
    pub(super) fn write(&self, event: Event) {
        let line = Line { at: self.clock.now().to_string(), event };
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        if self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text).is_err() {
            std::process::exit(DEAF);
        }
        tell(&Note::Progress);
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

/// The lines of the file, in the order in which they were written. A line that was cut off is left out.
pub(super) fn read(path: &Path) -> io::Result<Vec<Line>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// State of a submission that was begun.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// This is all, and it goes on from there.
    Open(Written),
    /// Its outcome.
    Settled,
}

/// State of each submission that was begun, by its tag.
pub(super) fn known(lines: &[Line]) -> BTreeMap<String, Known> {
    let mut known = BTreeMap::new();
    for line in lines {
        let (tag, written) = match &line.event {
            Event::Intended { tag, intent, .. } => (tag, serde_json::to_string(intent).ok().map(Written::Intent)),
            // An id is enough to wait on.
            Event::Said { tag, said: Said::Submitted { id, .. }, .. } => (tag, id.parse().ok().map(Written::Action)),
            // It was dropped, and its intent is all that there is.
            Event::Said { said: Said::Nothing, .. } => continue,
            Event::Said { tag, .. } => (tag, None),
            _ => continue,
        };
        known.insert(tag.clone(), written.map_or(Known::Settled, Known::Open));
    }
    known
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::evidence::Origin;

    #[test]
    fn journal_is_read_by_next_worker() {
        let path = std::env::temp_dir().join(format!("campaign-journal-{}.jsonl", std::process::id()));
        let intent: Intent = serde_json::from_value(json!({
            "machine_id": "m1", "action_type": "Isolate", "body": {"Comment": "c"}, "earliest": "2026-01-01T12:00:00Z",
        }))
        .unwrap();
        let said = Said::Submitted { origin: Origin::Created, id: "a".to_owned() };
        let intended =
            |tag: &str| Event::Intended { tag: tag.to_owned(), intent: intent.clone(), resend_if_lost: false };
        let first = Journal::open(&path, FastClock::since(Timestamp::UNIX_EPOCH, 1)).unwrap();
        first.write(Event::Began { incarnation: 0 });
        first.write(intended("s1"));
        first.write(intended("s2"));
        first.write(Event::Said { tag: "s1".to_owned(), by_intent: false, said: said.clone() });
        first.file.lock().unwrap().write_all(b"{\"at\": \"cut o").unwrap();
        let second = Journal::open(&path, FastClock::since(Timestamp::UNIX_EPOCH, 1)).unwrap();
        second.write(Event::Began { incarnation: 1 });

        let lines = read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(lines.len(), 5);
        let known = known(&lines);
        assert!(matches!(&known["s1"], Known::Open(Written::Action(id)) if id.as_str() == "a"));
        assert!(
            matches!(&known["s2"], Known::Open(Written::Intent(text)) if serde_json::from_str::<Intent>(text).unwrap() == intent)
        );
        assert_eq!(read(&path).unwrap(), []);
    }
}
