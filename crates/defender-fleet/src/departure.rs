//! The guard at departure: each request of a run asks its run whether it may be sent, right before its intent is written.
//!
//! The journal of a fleet's clients is a [`GuardedJournal`]. A request of a run has the key of its row, so that the order is: permit of the
//! quota, departure, intent, departure again, request. A request without such a key is not of a run, and passes.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, Journal, JournalError, JournalScope, Settled, Settlement, Unsettled,
    model::MachineAction,
};
use defender_store::{Departure, RunId, RunStore, WorkerId};
use futures_util::future::AbortHandle;

use crate::{
    claim::{Claim, NotDeparted, PREFIX},
    inbox::{Inbox, Note},
};

/// Rows of which this process sends the requests, and its workers.
#[derive(Default)]
pub(crate) struct Departures(Mutex<State>);

#[derive(Default)]
struct State {
    claims: HashMap<EntryKey, Row>,
    inboxes: HashMap<WorkerId, (RunId, Arc<Inbox>)>,
    /// Runs that this process has halted, or is halting.
    halts: HashMap<RunId, Halts>,
    /// Number of requests and halts so far, for their ids.
    last_id: u64,
}

/// Halts of a run by this process.
#[derive(Default)]
struct Halts {
    /// Halts that the store may not have yet.
    pending: usize,
    /// Last change. The mark of a halt is removed only by a read of the store that began after it.
    changed: u64,
}

struct Row {
    id: u64,
    claim: Claim,
    stage: Stage,
    abort: AbortHandle,
}

/// Stage of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The request waits for its permit, and has not asked for its departure.
    Waiting,
    /// The request asks for its departure, or may have been sent.
    Departing,
    /// The request is not sent.
    Denied(NotDeparted),
}

impl Departures {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a worker, until the returned value is dropped.
    pub(crate) fn worker(self: &Arc<Self>, run: &RunId, worker: WorkerId) -> WorkerEntry {
        let inbox = Arc::new(Inbox::default());
        self.state().inboxes.insert(worker, (run.clone(), Arc::clone(&inbox)));
        WorkerEntry { departures: Arc::clone(self), worker, inbox }
    }

    /// Adds a request, until the returned value is dropped. A request of another worker of this process with its key is ended, if it waits
    /// for its permit. `None` if that request has gone on, and has not ended.
    pub(crate) fn request(self: &Arc<Self>, key: &EntryKey, claim: Claim, abort: AbortHandle) -> Option<RequestEntry> {
        let mut state = self.state();
        // Its intent, or the outcome of its intent, may be on the way to the journal.
        if state.claims.get(key).is_some_and(|row| row.stage != Stage::Waiting) {
            return None;
        }
        let id = state.next_id();
        let before = state.claims.insert(key.clone(), Row { id, claim, stage: Stage::Waiting, abort });
        drop(state);
        if let Some(before) = before {
            before.abort.abort();
        }
        Some(RequestEntry { departures: Arc::clone(self), key: key.clone(), id })
    }

    /// Denies the departure of all requests of a run in this process, until [`reopen`](Self::reopen). The store has the halt once the
    /// returned value is dropped, or never.
    pub(crate) fn halt(self: &Arc<Self>, run: &RunId) -> HaltEntry {
        let mut state = self.state();
        state.halts.entry(run.clone()).or_default().pending += 1;
        state.halt_changed(run);
        let inboxes: Vec<_> = state.inboxes.values().filter(|(of, _)| of == run).map(|(_, i)| Arc::clone(i)).collect();
        drop(state);
        for inbox in inboxes {
            inbox.put(Note::Halted);
        }
        HaltEntry { departures: Arc::clone(self), run: run.clone() }
    }

    /// Returns the mark of the halts of a run, for [`reopen`](Self::reopen).
    pub(crate) fn halts(&self, run: &RunId) -> HaltMark {
        HaltMark(self.state().halts.get(run).map(|halts| halts.changed))
    }

    /// Allows departures again, after the store has shown that the run is not halted. Nothing changes if the run was halted since `mark`,
    /// or if a halt is on its way to the store.
    pub(crate) fn reopen(&self, run: &RunId, mark: HaltMark) {
        let mut state = self.state();
        if state.halts.get(run).is_some_and(|halts| halts.pending == 0 && mark.0 == Some(halts.changed)) {
            state.halts.remove(run);
        }
    }

    /// Ends the requests of a worker that wait for their permit.
    pub(crate) fn cancel(&self, worker: WorkerId) {
        let is_waiting = |row: &&mut Row| row.claim.worker == worker && row.stage == Stage::Waiting;
        let mut ended = Vec::new();
        for row in self.state().claims.values_mut().filter(is_waiting) {
            row.stage = Stage::Denied(NotDeparted::Halted);
            ended.push(row.abort.clone());
        }
        // Outside the lock, since a waker may run any code.
        for abort in ended {
            abort.abort();
        }
    }

    /// Begins the departure of a request.
    fn begin(&self, key: &EntryKey) -> Option<Claim> {
        let mut state = self.state();
        let row = state.claims.get_mut(key)?;
        if let Stage::Denied(_) = row.stage {
            return None;
        }
        row.stage = Stage::Departing;
        Some(row.claim.clone())
    }

    /// Denies the departure of a request. The first reason stays, and is returned.
    fn deny(&self, key: &EntryKey, why: NotDeparted) -> NotDeparted {
        let mut state = self.state();
        let Some(row) = state.claims.get_mut(key) else { return why };
        if let Stage::Denied(first) = row.stage {
            return first;
        }
        row.stage = Stage::Denied(why);
        why
    }

    /// Ends the departure of a request. Fails if this process has halted the run meanwhile.
    fn depart(&self, key: &EntryKey, claim: &Claim) -> Result<(), NotDeparted> {
        let state = self.state();
        if state.halts.contains_key(&claim.run) {
            drop(state);
            return Err(self.deny(key, NotDeparted::Halted));
        }
        let inbox = state.inboxes.get(&claim.worker).map(|(_, inbox)| Arc::clone(inbox));
        drop(state);
        if let Some(inbox) = inbox {
            inbox.put(Note::Departed(claim.index));
        }
        Ok(())
    }
}

impl fmt::Debug for Departures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departures").field("requests", &self.state().claims.len()).finish_non_exhaustive()
    }
}

impl State {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn halt_changed(&mut self, run: &RunId) {
        let changed = self.next_id();
        if let Some(halts) = self.halts.get_mut(run) {
            halts.changed = changed;
        }
    }
}

/// Halts of a run at some time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HaltMark(Option<u64>);

/// Halt that the store may not have yet.
pub(crate) struct HaltEntry {
    departures: Arc<Departures>,
    run: RunId,
}

impl Drop for HaltEntry {
    fn drop(&mut self) {
        let mut state = self.departures.state();
        if let Some(halts) = state.halts.get_mut(&self.run) {
            halts.pending = halts.pending.saturating_sub(1);
        }
        // A read of the store that began before does not show this halt.
        state.halt_changed(&self.run);
    }
}

/// Worker of this process.
pub(crate) struct WorkerEntry {
    departures: Arc<Departures>,
    worker: WorkerId,
    pub(crate) inbox: Arc<Inbox>,
}

impl Drop for WorkerEntry {
    fn drop(&mut self) {
        self.departures.state().inboxes.remove(&self.worker);
    }
}

/// Request that this process sends.
pub(crate) struct RequestEntry {
    departures: Arc<Departures>,
    key: EntryKey,
    id: u64,
}

impl RequestEntry {
    /// Returns why the request was not sent, if its departure was denied.
    pub(crate) fn denied(&self) -> Option<NotDeparted> {
        match self.departures.state().claims.get(&self.key) {
            Some(row) if row.id == self.id => match row.stage {
                Stage::Denied(why) => Some(why),
                Stage::Waiting | Stage::Departing => None,
            },
            _ => Some(NotDeparted::Taken),
        }
    }
}

impl Drop for RequestEntry {
    fn drop(&mut self) {
        let mut state = self.departures.state();
        if state.claims.get(&self.key).is_some_and(|row| row.id == self.id) {
            state.claims.remove(&self.key);
        }
    }
}

/// Journal of the clients of a fleet. The intent of a row is written only if the run lets its request depart.
#[derive(Debug)]
pub(crate) struct GuardedJournal {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) runs: Arc<dyn RunStore>,
    pub(crate) departures: Arc<Departures>,
}

impl GuardedJournal {
    /// Asks whether the request of a row may be sent. `None` if the key is not of a run.
    async fn depart(&self, key: &EntryKey) -> Result<Option<Claim>, JournalError> {
        if !key.as_str().starts_with(PREFIX) {
            return Ok(None);
        }
        let denied = |why| Err(self.departures.deny(key, why).into());
        let Some(claim) = self.departures.begin(key) else { return denied(NotDeparted::NotHeld) };
        let departure = self.runs.depart_row(&claim.run, claim.index, claim.worker).await;
        match departure.map_err(|error| JournalError::new(error.to_string()).caused_by(error))? {
            Departure::Go => Ok(Some(claim)),
            Departure::Halted => denied(NotDeparted::Halted),
            Departure::NotHeld => denied(NotDeparted::NotHeld),
        }
    }

    /// Lets the request depart, unless this process has halted the run while the stores were asked.
    fn let_go(&self, key: &EntryKey, claim: Option<&Claim>) -> Result<(), JournalError> {
        claim.map_or(Ok(()), |claim| self.departures.depart(key, claim)).map_err(JournalError::from)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Journal for GuardedJournal {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        self.depart(key).await?;
        let intended = self.journal.intend(key, intent, holder, lease).await?;
        if matches!(intended, Intended::New | Intended::Mine) {
            // Who has claimed the row meanwhile has not seen the intent. Who claims it from now on does.
            let claim = self.depart(key).await?;
            self.let_go(key, claim.as_ref())?;
        }
        Ok(intended)
    }

    async fn may_resend(&self, key: &EntryKey) -> Result<(), JournalError> {
        let claim = self.depart(key).await?;
        self.journal.may_resend(key).await?;
        self.let_go(key, claim.as_ref())
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        self.journal.settle(key, holder, outcome).await
    }

    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError> {
        self.journal.finish(key, last).await
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        self.journal.claim_unsettled(scope, holder, lease, at_most).await
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        self.journal.entry(key).await
    }
}
