//! One list for all lost responses.
//!
//! Each submission whose response was lost looks at the list of actions until it finds its own or gives up. All that look at
//! one time read the same pages, so that an outage with 5,000 lost responses costs no more calls than one with five. The
//! one that comes first reads for all, inside its own future; if that is dropped, the next one takes over.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use defender_model::MachineAction;
use defender_transport::Clock;
use futures_util::{
    TryStreamExt,
    future::{Either, select},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Mutex as Turns;

use crate::{DefenderClient, Error, ErrorKind, client::service_clock::Moment, list::List};

/// At most so many candidates are kept for one submission.
const MOST_CANDIDATES: usize = 64;

/// Lists are this far apart, by how many were read in the last hour: the first few as they are wanted, and fewer and fewer
/// in a long outage, so that most of the hour's quota for lists (1,500) is left to others.
const PACE: [(usize, SignedDuration); 3] = [
    (60, SignedDuration::from_secs(5)),
    (200, SignedDuration::from_secs(10)),
    (usize::MAX, SignedDuration::from_secs(20)),
];

/// So many lists may come at once.
const AT_ONCE: usize = 4;

/// A list that takes longer is given up, its wait in our own queue included.
const LONGEST_LIST: Duration = Duration::from_secs(300);

/// Row of a list that may be of a submission.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) record: MachineAction,
    /// The row as it came, where only machine, type and creation of it could be read. The id is not its own then.
    pub(crate) raw: Option<Value>,
}

/// What a list that was read to its end holds for one submission.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) rows: Vec<Row>,
    /// There were more than are kept.
    pub(crate) overflowed: bool,
    /// A row states no machine or no type, and the list was not filtered by them.
    pub(crate) has_vague: bool,
}

/// A submission that looks.
pub(crate) trait Looker: Send + Sync {
    /// Machine, in lower case.
    fn machine(&self) -> &str;

    /// Creation from which on the list must be read.
    fn from(&self) -> Timestamp;

    /// Whether a row of a list that was not filtered may be of the submission.
    fn may_be_ours(&self, row: &Row) -> bool;
}

impl Candidates {
    fn push(&mut self, row: Row) {
        if self.rows.len() < MOST_CANDIDATES {
            self.rows.push(row);
        } else {
            self.overflowed = true;
        }
    }
}

fn is_vague(record: &MachineAction) -> bool {
    record.machine_id.is_none() || record.action_type.as_str().is_empty()
}

/// The submissions of a client that look.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// Held by the one that reads.
    turns: Turns<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lookers: HashMap<u64, Entry>,
    by_machine: HashMap<String, Vec<u64>>,
    next: u64,
    /// When the lists of the last hour were asked for, the oldest first.
    asked: VecDeque<SignedDuration>,
}

struct Entry {
    looker: Arc<dyn Looker>,
    /// The list that is being read is read for it, too.
    reading: bool,
    rows: Candidates,
    /// The last list that was read for it and not taken yet, and when that was asked for.
    outcome: Option<(SignedDuration, Result<Candidates, Error>)>,
}

impl State {
    /// How long the next list must wait.
    fn pause(&mut self, now: SignedDuration) -> Duration {
        let an_hour_ago = now.saturating_sub(SignedDuration::from_hours(1));
        while self.asked.front().is_some_and(|asked| *asked <= an_hour_ago) {
            self.asked.pop_front();
        }
        let count = self.asked.len();
        let apart = PACE.iter().find(|(most, _)| count < *most).map_or(SignedDuration::ZERO, |(_, apart)| *apart);
        let earlier = count.checked_sub(AT_ONCE).and_then(|place| self.asked.get(place));
        let apart = apart.saturating_mul(i32::try_from(AT_ONCE).unwrap_or(1));
        let next = earlier.map_or(SignedDuration::MIN, |earlier| earlier.saturating_add(apart));
        Duration::try_from(next.saturating_sub(now)).unwrap_or_default()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("lookers", &self.lookers.len()).finish_non_exhaustive()
    }
}

/// Place of one submission among those that look, until it is dropped.
pub(crate) struct Place<'l> {
    looks: &'l Looks,
    number: u64,
}

impl Looks {
    pub(crate) fn join(&self, looker: Arc<dyn Looker>) -> Place<'_> {
        let mut state = self.state();
        let number = state.next;
        state.next = number.wrapping_add(1);
        state.by_machine.entry(looker.machine().to_owned()).or_default().push(number);
        state.lookers.insert(number, Entry { looker, reading: false, rows: Candidates::default(), outcome: None });
        drop(state);
        Place { looks: self, number }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one list for all that look now.
    async fn read_for_all(&self, client: &DefenderClient) {
        let clock = &*client.inner().clock;
        // Those that begin to look in this moment are read for, too.
        yield_once().await;
        let pause = self.state().pause(Moment::now(clock).elapsed);
        if !pause.is_zero() {
            clock.sleep(pause).await;
        }
        let asked_at = Moment::now(clock).elapsed;
        let from = {
            let mut state = self.state();
            state.asked.push_back(asked_at);
            for entry in state.lookers.values_mut() {
                (entry.reading, entry.rows) = (true, Candidates::default());
            }
            state.lookers.values().map(|entry| entry.looker.from()).min()
        };
        let Some(from) = from else { return };
        let list = client.actions().filter(MachineAction::CREATION_DATE_TIME_UTC.ge(from));
        let outcome = read(list, clock, |row| self.hand_out(&row)).await;
        for entry in self.state().lookers.values_mut().filter(|entry| entry.reading) {
            let rows = std::mem::take(&mut entry.rows);
            let outcome = match &outcome {
                Ok(()) => Ok(rows),
                Err(error) => Err(error.clone_without_source()),
            };
            (entry.reading, entry.outcome) = (false, Some((asked_at, outcome)));
        }
    }

    /// Gives a row to each submission whose machine it states, or to all where it states none.
    fn hand_out(&self, row: &Row) {
        let machine = row.record.machine_id.as_ref().map(|id| id.as_str().to_ascii_lowercase());
        let mut state = self.state();
        let State { lookers, by_machine, .. } = &mut *state;
        let mut give = |entry: &mut Entry| {
            if entry.reading && entry.looker.may_be_ours(row) {
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
                    lookers.get_mut(number).into_iter().for_each(&mut give);
                }
            }
            None => lookers.values_mut().for_each(give),
        }
    }
}

impl Place<'_> {
    /// The rows of a list of all actions that was asked for at `not_before` or later.
    pub(crate) async fn shared(
        &self,
        client: &DefenderClient,
        not_before: SignedDuration,
    ) -> Result<Candidates, Error> {
        loop {
            if let Some(outcome) = self.take(not_before) {
                return outcome;
            }
            let turn = self.looks.turns.lock().await;
            if let Some(outcome) = self.take(not_before) {
                return outcome;
            }
            self.looks.read_for_all(client).await;
            drop(turn);
        }
    }

    fn take(&self, not_before: SignedDuration) -> Option<Result<Candidates, Error>> {
        let mut state = self.looks.state();
        let (asked_at, outcome) = state.lookers.get_mut(&self.number)?.outcome.take()?;
        (asked_at >= not_before).then_some(outcome)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.looks.state();
        let Some(Entry { looker, .. }) = state.lookers.remove(&self.number) else { return };
        if let Some(numbers) = state.by_machine.get_mut(looker.machine()) {
            numbers.retain(|number| *number != self.number);
            if numbers.is_empty() {
                state.by_machine.remove(looker.machine());
            }
        }
    }
}

/// Lets every other future that is ready run first.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The rows of `list` that `keeps` keeps.
pub(crate) async fn own(
    client: &DefenderClient,
    list: List<MachineAction>,
    keeps: impl Fn(&Row) -> bool + Sync,
) -> Result<Candidates, Error> {
    let candidates = Mutex::new(Candidates::default());
    let kept = || candidates.lock().unwrap_or_else(PoisonError::into_inner);
    let hand_out = |row: Row| {
        if keeps(&row) {
            kept().push(row);
        }
    };
    read(list, &*client.inner().clock, hand_out).await?;
    Ok(std::mem::take(&mut *kept()))
}

/// Reads a list to its end, page by page, and keeps none of it.
async fn read(list: List<MachineAction>, clock: &dyn Clock, hand_out: impl Fn(Row) + Sync) -> Result<(), Error> {
    let mut pages = list.pages();
    let all = pin!(async {
        while let Some(page) = pages.try_next().await? {
            for record in page.value {
                hand_out(Row { record, raw: None });
            }
            for row in page.unreadable {
                hand_out(unreadable(row.raw)?);
            }
        }
        Ok(())
    });
    match select(all, clock.sleep(LONGEST_LIST)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(((), _)) => Err(Error::new(ErrorKind::Interrupted)
            .context("GET /machineactions")
            .caused_by("the list was not read to its end within five minutes")),
    }
}

/// Reads what can be read of a row that does not decode: machine, type and creation.
fn unreadable(raw: Value) -> Result<Row, Error> {
    let mut fields = serde_json::Map::new();
    fields.insert("id".to_owned(), Value::from("unreadable"));
    for name in ["machineId", "type", "creationDateTimeUtc"] {
        if let Some(value) = raw.get(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    match serde_json::from_value(Value::Object(fields)) {
        Ok(record) => Ok(Row { record, raw: Some(raw) }),
        // A record decodes whatever its fields are, as long as it has an id.
        Err(source) => {
            let error = Error::new(ErrorKind::InvalidResponse).context("a row of GET /machineactions");
            Err(error.caused_by(source).with_row(raw))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_fewer_the_longer_an_outage_lasts() {
        let mut state = State::default();
        let mut now = SignedDuration::ZERO;
        let mut times = Vec::new();
        while now < SignedDuration::from_hours(3) {
            let pause = state.pause(now);
            now = now.saturating_add(SignedDuration::try_from(pause).unwrap());
            state.asked.push_back(now);
            times.push(now);
        }
        assert!(times[3].is_zero() && times[4] == SignedDuration::from_secs(20), "{:?}", &times[..5]);
        let in_hour = |hour: i64| times.iter().filter(|time| time.as_hours() == hour).count();
        assert!((150..=350).contains(&in_hour(0)), "{}", in_hour(0));
        assert!(in_hour(1) <= 250 && in_hour(2) <= 250, "{} {}", in_hour(1), in_hour(2));
    }
}
