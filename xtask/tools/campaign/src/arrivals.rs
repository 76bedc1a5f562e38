//! What arrived, by the emulator's own log.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use defender_transport::{Clock, testing::ManualClock};
use serde::Deserialize;

use super::{evidence::Arrival, wire::Passage};

/// Takes the emulator's log, and dates each line by the clock as it comes. Clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    clock: ManualClock,
    lines: Arc<Mutex<Vec<(Duration, Line)>>>,
    text: Arc<Mutex<String>>,
}

/// What is read of a line.
#[derive(Clone, Debug, Deserialize)]
struct Line {
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    client_request_id: Option<String>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    fault: Option<String>,
}

impl Log {
    pub(crate) fn new(clock: ManualClock) -> Self {
        Self { clock, lines: Arc::default(), text: Arc::default() }
    }

    /// All of it, as it was written.
    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When each request came, by its id.
    pub(crate) fn times(&self) -> BTreeMap<String, Duration> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter_map(|(at, line)| Some((line.client_request_id.clone()?, *at))).collect()
    }

    /// What went wrong with each request, by its id.
    pub(crate) fn faults(&self) -> BTreeMap<String, String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter_map(|(_, line)| line.client_request_id.clone().zip(line.fault.clone())).collect()
    }

    /// What arrived of the clients.
    pub(crate) fn arrivals(&self, passages: &BTreeMap<String, Passage>) -> Vec<Arrival> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter_map(|(at, line)| line.arrival(*at, passages)).collect()
    }
}

impl Line {
    /// What it tells of the quota. Somebody else's request is nobody's arrival.
    fn arrival(&self, at: Duration, passages: &BTreeMap<String, Passage>) -> Option<Arrival> {
        let passage = passages.get(self.client_request_id.as_deref()?)?;
        let operation = self.operation.clone().unwrap_or_default();
        // Too many sessions at once are refused so, too, and are no matter of the quota.
        let over_quota = self.status == Some(429) && self.fault.is_none() && operation != "RunLiveResponse";
        Some(Arrival { incarnation: passage.client, operation, at, over_quota, given_up: passage.given_up })
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The emulator writes line by line.
        self.text.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(bytes));
        let line = serde_json::from_slice(bytes).map_err(io::Error::other)?;
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push((self.clock.elapsed(), line));
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
    fn a_line_is_an_arrival_of_whoever_sent_it() {
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
        let arrivals = log.arrivals(&passages.into());
        assert_eq!(arrivals.iter().map(|arrival| arrival.over_quota).collect::<Vec<_>>(), [true, false, false]);
        assert!(arrivals.iter().all(|arrival| arrival.at == Duration::from_secs(5)));
        assert_eq!(log.times().len(), 4);
        assert_eq!(log.text().lines().count(), 4);
    }
}
