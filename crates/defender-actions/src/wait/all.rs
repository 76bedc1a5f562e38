//! Waiting for many actions with few calls.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use defender_model::{ActionId, MachineAction};
use futures_util::{
    StreamExt, TryStreamExt,
    future::{Either, select},
    stream,
};
use jiff::Timestamp;

use crate::{
    ActionHandle, BoxStream, DefenderClient, Error,
    submit::identity::Identity,
    wait::{
        ended, out_of_patience, passes,
        poll::{PollDelays, PollPolicy},
    },
};

/// How many of those that no list shows are read one by one in a cycle.
const SINGLE_READS: usize = 5;

/// How many pages of a list are read at most that has no date to begin from. It is newest first, and who waits for an action has,
/// as a rule, asked for it lately; what is not found on them is read by itself, which gives its date.
const FIRST_PAGES: usize = 10;

/// A wait for many actions. Nothing is sent before its stream is polled.
///
/// It reads the list and not each record, so that a thousand actions cost about as many calls as one: one list call a cycle, from
/// the oldest action on that is waited for, which ends on the page that has the last of them. Those that no list shows are read
/// by themselves, a few a cycle. What passes does not end it, as with [`Wait`](crate::Wait).
#[derive(Clone, Debug)]
#[must_use = "nothing is waited for until its stream is polled"]
pub struct WaitAll {
    client: DefenderClient,
    ids: Vec<ActionId>,
    patience: PollPolicy,
}

impl WaitAll {
    pub(crate) fn new(client: DefenderClient, ids: Vec<ActionId>) -> Self {
        let patience = client.inner().patience;
        Self { client, ids, patience }
    }

    /// How long to wait before giving up on those that are left. Default: the client's, 1 h.
    pub fn at_most(mut self, at_most: Duration) -> Self {
        self.patience.at_most = at_most;
        self
    }

    /// The first pause between two cycles, which grows by half with each, and the longest. Default: the client's, 2 s and 30 s.
    pub fn poll(mut self, first: Duration, longest: Duration) -> Self {
        self.patience.first = first;
        self.patience.longest = longest;
        self
    }

    /// Each action as it ends, with what a [`Wait`](crate::Wait) for it would give. Each id comes once.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn stream(self) -> BoxStream<(ActionId, Result<MachineAction, Error>)> {
        let ends = stream::unfold(Cycle::new(self), |mut cycle| async move {
            loop {
                if let Some(ended) = cycle.ready.pop_front() {
                    return Some((ended, cycle));
                }
                if cycle.waiting.is_empty() {
                    return None;
                }
                cycle.turn().await;
            }
        });
        Box::pin(ends)
    }
}

/// One action that is waited for.
struct Waiting {
    /// The id as the caller gave it.
    id: ActionId,
    identity: Identity,
    last: Option<MachineAction>,
    /// When it was last read, counted from the start, and in which turn.
    seen: Duration,
    turn: u64,
    trouble: Option<Error>,
    /// A list that was read to its end did not show it, so that it is read by itself until its date is known.
    unlisted: bool,
}

impl Waiting {
    fn new(id: ActionId) -> Self {
        let (seen, identity) = (Duration::ZERO, Identity::Unknown);
        Self { id, identity, last: None, seen, turn: 0, trouble: None, unlisted: false }
    }

    /// When it was asked for, if that is known: from then on the list has it.
    fn created(&self) -> Option<Timestamp> {
        self.last.as_ref().and_then(|action| action.creation_date_time_utc)
    }

    /// Whether the list is to be read for it.
    fn is_listed(&self) -> bool {
        !self.unlisted || self.created().is_some()
    }
}

struct Cycle {
    client: DefenderClient,
    patience: PollPolicy,
    started: Duration,
    pauses: PollDelays,
    /// By id in lower case.
    waiting: BTreeMap<String, Waiting>,
    ready: VecDeque<(ActionId, Result<MachineAction, Error>)>,
    /// How many turns there have been.
    turns: u64,
    /// Behind which of the ids the single reads go on.
    read_up_to: Option<String>,
}

impl Cycle {
    fn new(wait: WaitAll) -> Self {
        let WaitAll { client, ids, patience } = wait;
        let started = client.inner().clock.elapsed();
        let mut waiting = BTreeMap::new();
        for id in ids {
            waiting.entry(key(&id).into_owned()).or_insert_with(|| Waiting::new(id));
        }
        let (pauses, ready) = (patience.at_once(), VecDeque::new());
        Self { client, patience, started, pauses, waiting, ready, turns: 0, read_up_to: None }
    }

    fn passed(&self) -> Duration {
        self.client.inner().clock.elapsed().saturating_sub(self.started)
    }

    /// Waits its time and looks once, or gives up on all that are left.
    async fn turn(&mut self) {
        let clock = Arc::clone(&self.client.inner().clock);
        let pause = self.pauses.next();
        let left = self.patience.at_most.saturating_sub(self.passed());
        if pause >= left && !pause.is_zero() {
            clock.sleep(left).await;
            return self.give_up();
        }
        clock.sleep(pause).await;
        let left = self.patience.at_most.saturating_sub(self.passed());
        let in_time = {
            let look = pin!(self.look());
            matches!(select(look, clock.sleep(left)).await, Either::Left(_))
        };
        if !in_time {
            self.give_up();
        }
    }

    async fn look(&mut self) {
        self.turns = self.turns.saturating_add(1);
        match self.read_list().await {
            Ok(()) => self.read_singly().await,
            Err(error) if error.is_retryable() => {
                for waiting in self.waiting.values_mut() {
                    waiting.trouble = Some(error.clone_without_source());
                }
            }
            Err(error) => {
                for waiting in std::mem::take(&mut self.waiting).into_values() {
                    let error = error.clone_without_source().with_action_id(&waiting.id).with_action(waiting.last);
                    self.ready.push_back((waiting.id, Err(error)));
                }
            }
        }
    }

    /// Reads the list up to the last that is waited for. It is asked for from the oldest on, once that is known of all that it
    /// is read for.
    async fn read_list(&mut self) -> Result<(), Error> {
        let listed: Vec<_> =
            self.waiting.values().filter(|waiting| waiting.is_listed()).map(Waiting::created).collect();
        let mut left = listed.len();
        if left == 0 {
            return Ok(());
        }
        let mut list = self.client.actions();
        let oldest = listed.into_iter().collect::<Option<Vec<_>>>().and_then(|dates| dates.into_iter().min());
        if let Some(oldest) = oldest {
            list = list.filter(MachineAction::CREATION_DATE_TIME_UTC.ge(oldest));
        }
        // From a date on, all that there is is read; of all that there ever was, the newest.
        let most = if oldest.is_some() { usize::MAX } else { FIRST_PAGES };
        let mut pages = list.pages().take(most);
        while let Some(page) = pages.try_next().await? {
            for action in page.value {
                if self.waiting.get(&*key(&action.id)).is_some_and(|waiting| waiting.turn < self.turns) {
                    left = left.saturating_sub(1);
                    self.note(action);
                }
            }
            if left == 0 {
                return Ok(());
            }
        }
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.turn < self.turns) {
            waiting.unlisted = true;
        }
        Ok(())
    }

    /// Reads a few of those that the list did not show, in turn.
    async fn read_singly(&mut self) {
        let now = self.passed();
        let is_unseen = |(_, waiting): &(&String, &Waiting)| waiting.turn < self.turns;
        let unseen: Vec<_> = self.waiting.iter().filter(is_unseen).map(|(key, _)| key.clone()).collect();
        let behind = unseen.iter().filter(|key| self.read_up_to.as_ref().is_some_and(|last| *key > last));
        let turn: Vec<_> = behind.chain(&unseen).take(SINGLE_READS.min(unseen.len())).cloned().collect();
        for key in turn {
            self.read_up_to = Some(key.clone());
            let Some(id) = self.waiting.get(&key).map(|waiting| waiting.id.clone()) else { continue };
            match ActionHandle::new(self.client.clone(), id.clone()).get().await {
                Ok(action) => self.note(action),
                Err(error) => {
                    let Some(waiting) = self.waiting.get_mut(&key) else { continue };
                    if passes(&error, now.saturating_sub(waiting.seen), self.patience.grace) {
                        waiting.trouble = Some(error);
                    } else if let Some(waiting) = self.waiting.remove(&key) {
                        self.ready.push_back((id.clone(), Err(error.with_action_id(&id).with_action(waiting.last))));
                    }
                }
            }
        }
    }

    fn note(&mut self, action: MachineAction) {
        let now = self.passed();
        let key = key(&action.id);
        let Some(waiting) = self.waiting.get_mut(&*key) else { return };
        let has_ended = action.status.is_terminal();
        match waiting.identity.check(&action) {
            Ok(()) if !has_ended => {
                // One without a date is not found by a list from a date on.
                waiting.unlisted = action.creation_date_time_utc.is_none();
                (waiting.seen, waiting.turn, waiting.trouble) = (now, self.turns, None);
                drop(key);
                waiting.last = Some(action);
            }
            checked => {
                let waiting = self.waiting.remove(&*key);
                drop(key);
                if let Some(Waiting { id, .. }) = waiting {
                    self.ready.push_back((id, checked.and_then(|()| ended(action))));
                }
            }
        }
    }

    fn give_up(&mut self) {
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            let error = out_of_patience(&waiting.id, self.patience.at_most, waiting.last, waiting.trouble);
            self.ready.push_back((waiting.id, Err(error)));
        }
    }
}

/// Key of an action: the service's ids are compared without regard to letter case.
fn key(id: &ActionId) -> Cow<'_, str> {
    let id = id.as_str();
    if id.bytes().any(|byte| byte.is_ascii_uppercase()) { id.to_ascii_lowercase().into() } else { id.into() }
}
