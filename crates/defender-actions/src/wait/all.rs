//! The wait for many actions with few calls.

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
    BoxStream, DefenderClient, Error,
    submit::{identity::Identity, record},
    wait::{
        ended, is_temporary,
        poll::{PollDelays, PollPolicy},
        report, timeout_error,
    },
};

/// Number of unlisted actions that are read singly in a cycle.
const SINGLE_READS: usize = 5;

/// Maximum number of pages of a list without a start date. The newest actions come first, and a caller usually waits for recent
/// actions. An action that is not on these pages is read singly, and its record states the date.
const FIRST_PAGES: usize = 10;

impl DefenderClient {
    /// Waits for many actions with few calls: each cycle reads one list, however many actions there are.
    ///
    /// ```no_run
    /// use defender_actions::{DefenderClient, model::ActionId};
    /// use futures_util::StreamExt;
    ///
    /// # async fn example(defender: DefenderClient, ids: Vec<ActionId>) {
    /// let mut ends = defender.wait_all(ids).stream();
    /// while let Some((id, outcome)) = ends.next().await {
    ///     match outcome {
    ///         Ok(action) => println!("{id} {}", action.status),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn wait_all(&self, ids: impl IntoIterator<Item = ActionId>) -> WaitAll {
        WaitAll::new(self.clone(), ids.into_iter().collect())
    }
}

/// Wait for many actions. Nothing is sent before its stream is polled.
///
/// The wait reads the list and not each record, so that a thousand actions cost about as many calls as one. Each cycle reads one list,
/// which begins at the oldest pending action and ends on the page with the last one. Actions that no list shows are read singly, a
/// few in each cycle. Temporary faults do not end the wait, as with [`Wait`](crate::Wait).
#[derive(Clone, Debug)]
#[must_use = "nothing is waited for until its stream is polled"]
pub struct WaitAll {
    client: DefenderClient,
    ids: Vec<ActionId>,
    policy: PollPolicy,
}

impl WaitAll {
    pub(crate) fn new(client: DefenderClient, ids: Vec<ActionId>) -> Self {
        let policy = client.inner().poll;
        Self { client, ids, policy }
    }

    /// Sets the time limit of the wait. Default: the client's, 1 h.
    pub fn at_most(mut self, at_most: Duration) -> Self {
        self.policy.at_most = at_most;
        self
    }

    /// Sets the first delay between two cycles, which grows by half with each cycle, and the longest. Default: the client's, 2 s and 30 s.
    pub fn poll(mut self, first: Duration, longest: Duration) -> Self {
        self.policy.first = first;
        self.policy.longest = longest;
        self
    }

    /// Returns each action once, as soon as it ends, with the result of a [`Wait`](crate::Wait) for it.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn stream(self) -> BoxStream<(ActionId, Result<MachineAction, Error>)> {
        let outcomes = stream::unfold(Cycle::new(self), |mut cycle| async move {
            loop {
                if let Some(outcome) = cycle.ready.pop_front() {
                    return Some((outcome, cycle));
                }
                if cycle.pending.is_empty() {
                    return None;
                }
                cycle.run().await;
            }
        });
        Box::pin(outcomes)
    }
}

/// Action whose end has not been seen yet.
struct Pending {
    /// Id in the caller's spelling.
    id: ActionId,
    identity: Identity,
    last: Option<MachineAction>,
    /// Time of the last successful read, from the start of the wait.
    last_seen: Duration,
    /// Cycle of the last successful read.
    last_cycle: u64,
    last_error: Option<Error>,
    /// A completely read list did not show the action, so that it is read singly until its date is known.
    unlisted: bool,
}

impl Pending {
    fn new(id: ActionId) -> Self {
        let (last_seen, identity) = (Duration::ZERO, Identity::Unknown);
        Self { id, identity, last: None, last_seen, last_cycle: 0, last_error: None, unlisted: false }
    }

    /// Returns the creation time, if it is known. A list from this time on has the action.
    fn created(&self) -> Option<Timestamp> {
        self.last.as_ref().and_then(|action| action.creation_date_time_utc)
    }

    /// Returns whether the list is read for this action.
    fn is_listed(&self) -> bool {
        !self.unlisted || self.created().is_some()
    }
}

struct Cycle {
    client: DefenderClient,
    policy: PollPolicy,
    started: Duration,
    delays: PollDelays,
    /// Pending actions by id in lower case.
    pending: BTreeMap<String, Pending>,
    ready: VecDeque<(ActionId, Result<MachineAction, Error>)>,
    /// Number of cycles.
    cycles: u64,
    /// Id after which the single reads continue.
    read_up_to: Option<String>,
}

impl Cycle {
    fn new(wait: WaitAll) -> Self {
        let WaitAll { client, ids, policy } = wait;
        let started = client.inner().clock.elapsed();
        let mut pending = BTreeMap::new();
        for id in ids {
            pending.entry(key(&id).into_owned()).or_insert_with(|| Pending::new(id));
        }
        let (delays, ready) = (policy.immediate(), VecDeque::new());
        Self { client, policy, started, delays, pending, ready, cycles: 0, read_up_to: None }
    }

    fn elapsed(&self) -> Duration {
        self.client.inner().clock.elapsed().saturating_sub(self.started)
    }

    /// Runs one cycle after its delay, or ends the wait for all pending actions at the time limit.
    async fn run(&mut self) {
        let clock = Arc::clone(&self.client.inner().clock);
        let delay = self.delays.next();
        let left = self.policy.at_most.saturating_sub(self.elapsed());
        if delay >= left && !delay.is_zero() {
            clock.sleep(left).await;
            return self.give_up();
        }
        clock.sleep(delay).await;
        let left = self.policy.at_most.saturating_sub(self.elapsed());
        let in_time = {
            let read = pin!(self.read());
            matches!(select(read, clock.sleep(left)).await, Either::Left(_))
        };
        if !in_time {
            self.give_up();
        }
    }

    async fn read(&mut self) {
        self.cycles = self.cycles.saturating_add(1);
        match self.read_list().await {
            Ok(()) => self.read_singly().await,
            Err(error) if error.is_retryable() => {
                for pending in self.pending.values_mut() {
                    pending.last_error = Some(error.clone_without_source());
                }
            }
            Err(error) => {
                for pending in std::mem::take(&mut self.pending).into_values() {
                    let error = error.clone_without_source().with_action_id(&pending.id).with_action(pending.last);
                    self.finish(pending.id, Err(error));
                }
            }
        }
    }

    /// Reads the list up to the last pending action. The list begins at the oldest creation, once the creation of all its actions is
    /// known.
    async fn read_list(&mut self) -> Result<(), Error> {
        let listed: Vec<_> =
            self.pending.values().filter(|pending| pending.is_listed()).map(Pending::created).collect();
        let mut left = listed.len();
        if left == 0 {
            return Ok(());
        }
        let mut list = self.client.actions();
        let oldest = listed.into_iter().collect::<Option<Vec<_>>>().and_then(|dates| dates.into_iter().min());
        if let Some(oldest) = oldest {
            list = list.filter(MachineAction::CREATION_DATE_TIME_UTC.ge(oldest));
        }
        // A list with a start date is read completely; of a list without one, the newest pages.
        let max_pages = if oldest.is_some() { usize::MAX } else { FIRST_PAGES };
        let mut pages = list.pages().take(max_pages);
        while let Some(page) = pages.try_next().await? {
            for action in page.value {
                if self.pending.get(&*key(&action.id)).is_some_and(|pending| pending.last_cycle < self.cycles) {
                    left = left.saturating_sub(1);
                    self.record(action);
                }
            }
            if left == 0 {
                return Ok(());
            }
        }
        for pending in self.pending.values_mut().filter(|pending| pending.last_cycle < self.cycles) {
            pending.unlisted = true;
        }
        Ok(())
    }

    /// Reads a few of the actions that the list did not show, in rotation.
    async fn read_singly(&mut self) {
        let now = self.elapsed();
        let is_unseen = |(_, pending): &(&String, &Pending)| pending.last_cycle < self.cycles;
        let unseen: Vec<_> = self.pending.iter().filter(is_unseen).map(|(key, _)| key.clone()).collect();
        let after_last = unseen.iter().filter(|key| self.read_up_to.as_ref().is_some_and(|last| *key > last));
        let selected: Vec<_> = after_last.chain(&unseen).take(SINGLE_READS.min(unseen.len())).cloned().collect();
        for key in selected {
            self.read_up_to = Some(key.clone());
            let Some(id) = self.pending.get(&key).map(|pending| pending.id.clone()) else { continue };
            match record::read(&self.client, &id).await {
                Ok(action) => self.record(action),
                Err(error) => {
                    let Some(pending) = self.pending.get_mut(&key) else { continue };
                    if is_temporary(&error, now.saturating_sub(pending.last_seen), self.policy.visibility_timeout) {
                        pending.last_error = Some(error);
                    } else if let Some(pending) = self.pending.remove(&key) {
                        let error = error.with_action_id(&id).with_action(pending.last);
                        self.finish(id, Err(error));
                    }
                }
            }
        }
    }

    /// Records a read of an action, and ends its wait if the action has ended.
    fn record(&mut self, action: MachineAction) {
        let now = self.elapsed();
        let key = key(&action.id);
        let Some(pending) = self.pending.get_mut(&*key) else { return };
        let has_ended = action.status.is_terminal();
        match pending.identity.check(&action) {
            Ok(()) if !has_ended => {
                // A list with a start date does not have a record without a date.
                pending.unlisted = action.creation_date_time_utc.is_none();
                (pending.last_seen, pending.last_cycle, pending.last_error) = (now, self.cycles, None);
                drop(key);
                pending.last = Some(action);
            }
            checked => {
                let pending = self.pending.remove(&*key);
                drop(key);
                if let Some(Pending { id, .. }) = pending {
                    self.finish(id, checked.and_then(|()| ended(action)));
                }
            }
        }
    }

    /// Ends the wait for an action, and reports the end.
    fn finish(&mut self, id: ActionId, outcome: Result<MachineAction, Error>) {
        report::ended(self.client.inner(), &id, self.started, &outcome);
        self.ready.push_back((id, outcome));
    }

    fn give_up(&mut self) {
        for pending in std::mem::take(&mut self.pending).into_values() {
            let error = timeout_error(&pending.id, self.policy.at_most, pending.last, pending.last_error);
            self.finish(pending.id, Err(error));
        }
    }
}

/// Returns the key of an action: ids of the service are compared in any letter case.
fn key(id: &ActionId) -> Cow<'_, str> {
    let id = id.as_str();
    if id.bytes().any(|byte| byte.is_ascii_uppercase()) { id.to_ascii_lowercase().into() } else { id.into() }
}
