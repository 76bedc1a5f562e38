//! The emulator's log: what arrived, when, and what went wrong with it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use defender_transport::{Clock, testing::ManualClock};
use serde::Deserialize;

use super::{
    evidence::{Arrival, LedgerEntry},
    wire::Passage,
};

/// A line of the emulator's log.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    /// Time of the request on the emulator's clock, since its start.
    #[serde(skip)]
    pub(crate) at: Duration,
    pub(crate) time: String,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    pub(crate) client_request_id: Option<String>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    fault: Option<String>,
}

/// Arrivals of the clients' requests. Requests of others are left out.
pub(crate) fn arrivals(log: &[Line], passages: &BTreeMap<String, Passage>) -> Vec<Arrival> {
    let arrival = |line: &Line| {
        let passage = passages.get(line.client_request_id.as_deref()?)?;
        let operation = line.operation.clone().unwrap_or_default();
        // Too many sessions at once are refused so, too, and are no matter of the quota.
        let over_quota = line.status == Some(429) && line.fault.is_none() && operation != "RunLiveResponse";
        let (incarnation, given_up) = (passage.client, passage.given_up);
        Some(Arrival { incarnation, operation, at: line.at, over_quota, given_up })
    };
    log.iter().filter_map(arrival).collect()
}

/// The ledger, with what the log and the network tell of each entry.
pub(crate) fn dated(
    mut ledger: Vec<LedgerEntry>,
    log: &[Line],
    passages: &BTreeMap<String, Passage>,
) -> Vec<LedgerEntry> {
    let lines: BTreeMap<&str, &Line> =
        log.iter().filter_map(|line| Some((line.client_request_id.as_deref()?, line))).collect();
    for entry in &mut ledger {
        let id = entry.client_request_id.as_deref().unwrap_or_default();
        let (line, passage) = (lines.get(id), passages.get(id));
        entry.at = line.map(|line| line.at).unwrap_or_default();
        entry.fault = line.and_then(|line| line.fault.clone());
        entry.departed = passage.map(|passage| passage.departed);
        entry.ended = passage.and_then(|passage| passage.ended);
        // What did not reach the client said nothing to it.
        if passage.is_some_and(|passage| !passage.delivered) {
            entry.status = 0;
        }
    }
    ledger
}

/// Takes the emulator's log, and dates each line by the clock as it comes. Clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    clock: ManualClock,
    lines: Arc<Mutex<Vec<Line>>>,
    text: Arc<Mutex<String>>,
}

impl Log {
    pub(crate) fn new(clock: ManualClock) -> Self {
        Self { clock, lines: Arc::default(), text: Arc::default() }
    }

    /// All of it, as it was written.
    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its lines.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The emulator writes line by line.
        self.text.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(bytes));
        let line: Line = serde_json::from_slice(bytes).map_err(io::Error::other)?;
        let line = Line { at: self.clock.elapsed(), ..line };
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_arrival_of_its_sender() {
        let clock = ManualClock::new();
        let mut log = Log::new(clock.clone());
        clock.advance(Duration::from_secs(5));
        for line in [
            r#"{"time":"t","method":"POST","path":"/p","operation":"Isolate","client_request_id":"s1.1","status":429}"#,
            r#"{"time":"t","method":"POST","path":"/p","operation":"Isolate","client_request_id":"s1.2","status":429,"fault":"TooManyRequests(Absent)"}"#,
            r#"{"time":"t","method":"POST","path":"/p","operation":"RunLiveResponse","client_request_id":"s2.1","status":429}"#,
            r#"{"time":"t","method":"POST","path":"/p","operation":"Isolate","client_request_id":"rival0.1","status":201}"#,
        ] {
            log.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        let passage = |client| Passage { client, ..Passage::default() };
        let passages = [("s1.1", 1), ("s1.2", 1), ("s2.1", 2)].map(|(id, client)| (id.to_owned(), passage(client)));
        let arrivals = arrivals(&log.lines(), &passages.into());
        assert_eq!(arrivals.iter().map(|arrival| arrival.over_quota).collect::<Vec<_>>(), [true, false, false]);
        assert!(arrivals.iter().all(|arrival| arrival.at == Duration::from_secs(5)));
        assert_eq!(log.lines().len(), 4);
        assert_eq!(log.text().lines().count(), 4);
    }
}
