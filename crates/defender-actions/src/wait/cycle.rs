//! The cycles of a wait for many actions: one list in each, and a few single reads.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use defender_model::{ActionId, MachineAction};
use futures_util::{
    StreamExt, TryStreamExt,
    future::{Either, select},
};
use jiff::Timestamp;

use crate::{
    DefenderClient, Error,
    submit::{
        identity::Identity,
        record,
        record_facts::{created, lower_id},
    },
    wait::{
        awaited::Awaited,
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

/// Result of a wait, or a change on the way, under the caller's key.
pub(super) type Report<K> = (K, Result<MachineAction, Error>);

/// Caller's key of an action, and what is known of the action under this key.
struct Waiter<K> {
    key: K,
    identity: Identity,
}

/// Action whose end has not been seen yet.
struct Pending<K> {
    /// Id in the caller's spelling.
    id: ActionId,
    /// Several keys may share one action.
    waiters: Vec<Waiter<K>>,
    last: Option<MachineAction>,
    /// Time at which the wait for the action began, from the start of the wait.
    since: Duration,
    /// Time of the last successful read, from the start of the wait.
    last_seen: Duration,
    /// Cycle of the last successful read.
    last_cycle: u64,
    last_error: Option<Error>,
    /// A completely read list did not show the action, so that it is read singly until its date is known.
    unlisted: bool,
}

impl<K> Pending<K> {
    fn new(id: ActionId, since: Duration) -> Self {
        let waiters = Vec::new();
        Self { id, waiters, last: None, since, last_seen: since, last_cycle: 0, last_error: None, unlisted: false }
    }

    /// Returns the creation time, if it is known. A list from this time on has the action.
    fn created(&self) -> Option<Timestamp> {
        self.last.as_ref().and_then(created)
    }

    /// Returns whether the list is read for this action.
    fn is_listed(&self) -> bool {
        !self.unlisted || self.created().is_some()
    }

    /// Returns the error of each waiter, with the last record.
    fn fail(self, error: impl Fn() -> Error) -> impl Iterator<Item = Report<K>> {
        let Self { id, waiters, last, .. } = self;
        let error = move || error().with_action_id(&id).with_action(last.clone());
        waiters.into_iter().map(move |waiter| (waiter.key, Err(error())))
    }
}

/// State of a wait for many actions.
pub(super) struct Cycle<K> {
    client: DefenderClient,
    policy: PollPolicy,
    started: Duration,
    delays: PollDelays,
    /// Pending actions by id in lower case.
    pending: BTreeMap<String, Pending<K>>,
    ready: VecDeque<Report<K>>,
    /// Copy of a key, if the caller wants each change on the way.
    copy_key: Option<fn(&K) -> K>,
    /// Number of cycles.
    cycles: u64,
    /// Id after which the single reads continue.
    read_up_to: Option<String>,
    /// Time of the first list that was not found, after the last successful one.
    not_found_since: Option<Duration>,
}

impl<K> Cycle<K> {
    pub(super) fn new(
        client: DefenderClient,
        entries: Vec<(K, Awaited)>,
        policy: PollPolicy,
        copy_key: Option<fn(&K) -> K>,
    ) -> Self {
        let started = client.inner().clock.elapsed();
        let (delays, ready) = (policy.immediate(), VecDeque::new());
        let (pending, cycles, read_up_to, not_found_since) = (BTreeMap::new(), 0, None, None);
        let mut cycle =
            Self { client, policy, started, delays, pending, ready, copy_key, cycles, read_up_to, not_found_since };
        let known: Vec<_> = entries.into_iter().filter_map(|(key, action)| cycle.register(key, action)).collect();
        // A record of a submission is the first of its action, and a later one of another submission may show the end already.
        for action in known {
            cycle.record_first(action);
        }
        cycle
    }

    /// Adds an action. Its record may show that it has ended.
    pub(super) fn add(&mut self, key: K, action: Awaited) {
        if let Some(action) = self.register(key, action) {
            self.record_first(action);
        }
    }

    /// Adds a key of an action, and returns the record of its submission.
    fn register(&mut self, key: K, Awaited { id, identity, last }: Awaited) -> Option<MachineAction> {
        let now = self.elapsed();
        let pending = self.pending.entry(lower_id(&id).into_owned()).or_insert_with(|| Pending::new(id, now));
        pending.waiters.push(Waiter { key, identity });
        last
    }

    /// Records the record of a submission.
    fn record_first(&mut self, action: MachineAction) {
        let pending = self.pending.get(&*lower_id(&action.id));
        if pending.is_some_and(|pending| pending.last.is_none() || action.status.is_terminal()) {
            self.record(action);
        }
    }

    /// Returns the number of actions that have not ended.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Reads once, and returns what ended.
    pub(super) async fn read_once(&mut self) -> Vec<Report<K>> {
        if !self.pending.is_empty() {
            self.read().await;
        }
        self.ready.drain(..).collect()
    }

    /// Returns the next result, or the next change if the caller wants each.
    pub(super) async fn next(&mut self) -> Option<Report<K>> {
        loop {
            if let Some(report) = self.ready.pop_front() {
                return Some(report);
            }
            if self.pending.is_empty() {
                return None;
            }
            self.run().await;
        }
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
            Ok(()) => {
                self.not_found_since = None;
                self.read_singly().await;
            }
            Err(error) if self.may_be_read_later(&error) => {
                for pending in self.pending.values_mut() {
                    pending.last_error = Some(error.clone_without_source());
                }
            }
            Err(error) => {
                for pending in std::mem::take(&mut self.pending).into_values() {
                    self.fail(pending, || error.clone_without_source());
                }
            }
        }
    }

    /// Returns whether a later list may succeed after this error. The list always exists, so that a 404 is of a gateway.
    fn may_be_read_later(&mut self, error: &Error) -> bool {
        let now = self.elapsed();
        let since = if error.is_not_found() { *self.not_found_since.get_or_insert(now) } else { now };
        is_temporary(error, now.saturating_sub(since), self.policy.visibility_timeout)
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
                if self.pending.get(&*lower_id(&action.id)).is_some_and(|pending| pending.last_cycle < self.cycles) {
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
        let is_unseen = |(_, pending): &(&String, &Pending<K>)| pending.last_cycle < self.cycles;
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
                        self.fail(pending, || error.duplicate());
                    }
                }
            }
        }
    }

    /// Records a read of an action, and ends its waits if the action has ended.
    fn record(&mut self, action: MachineAction) {
        let now = self.elapsed();
        let key = lower_id(&action.id);
        let Some(pending) = self.pending.get_mut(&*key) else { return };
        let has_ended = action.status.is_terminal();
        // A record that contradicts a submission ends the wait for it, and no other.
        for mut waiter in std::mem::take(&mut pending.waiters) {
            match waiter.identity.check(&action) {
                Ok(()) if !has_ended => pending.waiters.push(waiter),
                checked => {
                    let outcome = checked.and_then(|()| ended(action.clone()));
                    let began = self.started.saturating_add(pending.since);
                    report::ended(self.client.inner(), &pending.id, began, &outcome);
                    self.ready.push_back((waiter.key, outcome));
                }
            }
        }
        if pending.waiters.is_empty() {
            self.pending.remove(&*key);
            return;
        }
        drop(key);
        if let Some(copy_key) = self.copy_key.filter(|_| pending.last.as_ref() != Some(&action)) {
            let changes = pending.waiters.iter().map(|waiter| (copy_key(&waiter.key), Ok(action.clone())));
            self.ready.extend(changes);
        }
        // A list with a start date does not have a record without a date.
        pending.unlisted = created(&action).is_none();
        (pending.last_seen, pending.last_cycle, pending.last_error) = (now, self.cycles, None);
        pending.last = Some(action);
    }

    /// Ends the waits for an action with this error, and reports each end.
    fn fail(&mut self, pending: Pending<K>, error: impl Fn() -> Error) {
        let (id, began) = (pending.id.clone(), self.started.saturating_add(pending.since));
        for (key, outcome) in pending.fail(error) {
            report::ended(self.client.inner(), &id, began, &outcome);
            self.ready.push_back((key, outcome));
        }
    }

    fn give_up(&mut self) {
        for pending in std::mem::take(&mut self.pending).into_values() {
            let (limit, id, last) = (self.policy.at_most, pending.id.clone(), pending.last.clone());
            let last_error = pending.last_error.as_ref().map(Error::duplicate);
            let error = || timeout_error(&id, limit, last.clone(), last_error.as_ref().map(Error::duplicate));
            self.fail(pending, error);
        }
    }
}
