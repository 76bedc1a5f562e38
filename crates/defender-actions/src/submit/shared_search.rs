//! The search of all lost submissions in one list.
//!
//! Each submission whose response was lost reads the list of actions until it finds its record or gives up. All concurrent searches
//! read the same pages, so that an outage with 5,000 lost responses costs no more calls than one with five. The first search reads
//! for all, inside its own future; if this future is dropped, the next search takes over.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use defender_model::MachineAction;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;

use crate::Error;

/// Maximum number of candidates of one submission.
const MAX_CANDIDATES: usize = 64;

/// Time between lists, by the number of lists in the last hour. The first lists are read when they are needed. In a long outage
/// lists become rarer, so that most of the hourly quota for lists (1,500) is left to other calls.
const PACE: [(usize, SignedDuration); 3] = [
    (60, SignedDuration::from_secs(5)),
    (200, SignedDuration::from_secs(10)),
    (usize::MAX, SignedDuration::from_secs(20)),
];

/// Number of lists that may be read without a pause.
const BURST: usize = 4;

/// Row of a list that may be the record of a submission.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) record: MachineAction,
    /// The undecoded row, if only its machine, type and creation could be read. The id of `record` is a placeholder then.
    pub(crate) raw: Option<Value>,
}

/// Rows of a completely read list that concern one submission.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) rows: Vec<Row>,
    /// The list had more candidates than the maximum.
    pub(crate) overflowed: bool,
    /// The list, which was not filtered by machine and type, has a row that states no machine or no type.
    pub(crate) has_vague: bool,
}

/// Submission that takes part in the shared search.
pub(crate) trait Searcher: Send + Sync {
    /// Returns the machine, in lower case.
    fn machine(&self) -> &str;

    /// Returns the creation time at which the list must begin.
    fn from(&self) -> Timestamp;

    /// Returns whether a row of an unfiltered list may be the record of the submission.
    fn may_be_ours(&self, row: &Row) -> bool;
}

impl Candidates {
    pub(crate) fn push(&mut self, row: Row) {
        if self.rows.len() < MAX_CANDIDATES {
            self.rows.push(row);
        } else {
            self.overflowed = true;
        }
    }
}

fn is_vague(record: &MachineAction) -> bool {
    record.machine_id.is_none() || record.action_type.as_str().is_empty()
}

/// Shared search of a client's submissions.
#[derive(Debug, Default)]
pub(crate) struct SharedSearch {
    /// Held by the future that reads the list.
    pub(crate) reader: AsyncMutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<u64, Entry>,
    by_machine: HashMap<String, Vec<u64>>,
    next: u64,
    /// Start times of the lists of the last hour, the oldest first.
    list_starts: VecDeque<SignedDuration>,
}

struct Entry {
    searcher: Arc<dyn Searcher>,
    /// The current list is read for this submission, too.
    reading: bool,
    rows: Candidates,
    /// Start time and result of the last list that the submission has not taken yet.
    outcome: Option<(SignedDuration, Result<Candidates, Error>)>,
}

impl State {
    /// Returns the pause before the next list.
    fn pause(&mut self, now: SignedDuration) -> Duration {
        let an_hour_ago = now.saturating_sub(SignedDuration::from_hours(1));
        while self.list_starts.front().is_some_and(|start| *start <= an_hour_ago) {
            self.list_starts.pop_front();
        }
        let count = self.list_starts.len();
        let interval =
            PACE.iter().find(|(below, _)| count < *below).map_or(SignedDuration::ZERO, |(_, interval)| *interval);
        let earlier = count.checked_sub(BURST).and_then(|index| self.list_starts.get(index));
        let interval = interval.saturating_mul(i32::try_from(BURST).unwrap_or(1));
        let next = earlier.map_or(SignedDuration::MIN, |earlier| earlier.saturating_add(interval));
        Duration::try_from(next.saturating_sub(now)).unwrap_or_default()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

/// Participation of one submission in the shared search, until it is dropped.
pub(crate) struct Participant<'s> {
    pub(crate) search: &'s SharedSearch,
    number: u64,
}

impl SharedSearch {
    pub(crate) fn join(&self, searcher: Arc<dyn Searcher>) -> Participant<'_> {
        let mut state = self.state();
        let number = state.next;
        state.next = number.wrapping_add(1);
        state.by_machine.entry(searcher.machine().to_owned()).or_default().push(number);
        state.entries.insert(number, Entry { searcher, reading: false, rows: Candidates::default(), outcome: None });
        drop(state);
        Participant { search: self, number }
    }

    /// Records the start of a list for all current searches. Returns the creation at which the list must begin.
    pub(crate) fn start_list(&self, start: SignedDuration) -> Option<Timestamp> {
        let mut state = self.state();
        state.list_starts.push_back(start);
        for entry in state.entries.values_mut() {
            (entry.reading, entry.rows) = (true, Candidates::default());
        }
        state.entries.values().map(|entry| entry.searcher.from()).min()
    }

    /// Hands the result of the list that began at `start` to the searches that shared it.
    pub(crate) fn finish_list(&self, start: SignedDuration, outcome: &Result<(), Error>) {
        for entry in self.state().entries.values_mut().filter(|entry| entry.reading) {
            let rows = std::mem::take(&mut entry.rows);
            let outcome = match outcome {
                Ok(()) => Ok(rows),
                Err(error) => Err(error.clone_without_source()),
            };
            (entry.reading, entry.outcome) = (false, Some((start, outcome)));
        }
    }

    /// Returns the pause before the next list.
    pub(crate) fn pause(&self, now: SignedDuration) -> Duration {
        self.state().pause(now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a row to each submission of its machine, or to all submissions if the row states no machine.
    pub(crate) fn distribute(&self, row: &Row) {
        let machine = row.record.machine_id.as_ref().map(|id| id.as_str().to_ascii_lowercase());
        let mut state = self.state();
        let State { entries, by_machine, .. } = &mut *state;
        let mut add = |entry: &mut Entry| {
            if entry.reading && entry.searcher.may_be_ours(row) {
                if is_vague(&row.record) {
                    entry.rows.has_vague = true;
                } else {
                    entry.rows.push(row.clone());
                }
            }
        };
        match machine {
            Some(machine) => {
                for number in by_machine.get(&machine).into_iter().flatten() {
                    entries.get_mut(number).into_iter().for_each(&mut add);
                }
            }
            None => entries.values_mut().for_each(add),
        }
    }
}

impl Participant<'_> {
    /// Takes the result of the last list, if the list was requested at `not_before` or later.
    pub(crate) fn take(&self, not_before: SignedDuration) -> Option<Result<Candidates, Error>> {
        let mut state = self.search.state();
        let (start, outcome) = state.entries.get_mut(&self.number)?.outcome.take()?;
        (start >= not_before).then_some(outcome)
    }
}

impl Drop for Participant<'_> {
    fn drop(&mut self) {
        let mut state = self.search.state();
        let Some(Entry { searcher, .. }) = state.entries.remove(&self.number) else { return };
        if let Some(numbers) = state.by_machine.get_mut(searcher.machine()) {
            numbers.retain(|number| *number != self.number);
            if numbers.is_empty() {
                state.by_machine.remove(searcher.machine());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_outage_reads_fewer_lists() {
        let mut state = State::default();
        let mut now = SignedDuration::ZERO;
        let mut times = Vec::new();
        while now < SignedDuration::from_hours(3) {
            let pause = state.pause(now);
            now = now.saturating_add(SignedDuration::try_from(pause).unwrap());
            state.list_starts.push_back(now);
            times.push(now);
        }
        assert!(times[3].is_zero() && times[4] == SignedDuration::from_secs(20), "{:?}", &times[..5]);
        let in_hour = |hour: i64| times.iter().filter(|time| time.as_hours() == hour).count();
        assert!((150..=350).contains(&in_hour(0)), "{}", in_hour(0));
        assert!(in_hour(1) <= 250 && in_hour(2) <= 250, "{} {}", in_hour(1), in_hour(2));
    }
}
