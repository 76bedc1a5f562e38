//! The guard at departure: each request of a run asks its run whether it may be sent, right before its intent is written.
//!
//! The journal of a fleet's clients is a [`GuardedJournal`]. A request of a run has the key of its row, so that the order is: permit of the
//! quota, departure, intent, request. A request without such a key is not of a run, and passes.

use std::{
    collections::{HashMap, HashSet, VecDeque},
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
use futures_util::{future::AbortHandle, task::AtomicWaker};

/// First part of the key of each request of a run.
const PREFIX: &str = "run/";

/// Returns the key of an attempt of a row.
pub(crate) fn key(run: &RunId, index: u32, attempt: u32) -> String {
    format!("{PREFIX}{run}/{index}/{attempt}")
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDeparted {
    /// The run is halted.
    Halted,
    /// Another worker has the row.
    NotHeld,
}

/// What happens to a worker from outside of its loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// The request of this row is sent now.
    Departed(u32),
    /// The run was halted in this process.
    Halted,
}

/// Notes for one worker.
#[derive(Default)]
pub(crate) struct Inbox {
    notes: Mutex<VecDeque<Note>>,
    waker: AtomicWaker,
}

impl Inbox {
    fn put(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push_back(note);
        self.waker.wake();
    }

    /// Returns the next note, if there is one.
    pub(crate) fn take(&self) -> Option<Note> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Returns the next note. Without one, the task is woken by the next.
    pub(crate) fn poll(&self, waker: &std::task::Waker) -> Option<Note> {
        self.waker.register(waker);
        self.take()
    }
}

/// Row of which this process sends the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) run: RunId,
    pub(crate) index: u32,
    pub(crate) worker: WorkerId,
}

/// Rows of which this process sends the requests, and its workers.
#[derive(Default)]
pub(crate) struct Departures(Mutex<State>);

#[derive(Default)]
struct State {
    claims: HashMap<EntryKey, Row>,
    inboxes: HashMap<WorkerId, (RunId, Arc<Inbox>)>,
    /// Runs that this process has halted.
    halted: HashSet<RunId>,
}

struct Row {
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

    /// Adds a request, until the returned value is dropped.
    pub(crate) fn request(self: &Arc<Self>, key: &EntryKey, claim: Claim, abort: AbortHandle) -> RequestEntry {
        self.state().claims.insert(key.clone(), Row { claim, stage: Stage::Waiting, abort });
        RequestEntry { departures: Arc::clone(self), key: key.clone() }
    }

    /// Denies the departure of all requests of a run in this process, until [`reopen`](Self::reopen).
    pub(crate) fn halt(&self, run: &RunId) {
        let mut state = self.state();
        state.halted.insert(run.clone());
        let inboxes: Vec<_> = state.inboxes.values().filter(|(of, _)| of == run).map(|(_, i)| Arc::clone(i)).collect();
        drop(state);
        for inbox in inboxes {
            inbox.put(Note::Halted);
        }
    }

    /// Allows departures again. The store of the runs decides then.
    pub(crate) fn reopen(&self, run: &RunId) {
        self.state().halted.remove(run);
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

    fn deny(&self, key: &EntryKey, why: NotDeparted) {
        if let Some(row) = self.state().claims.get_mut(key) {
            row.stage = Stage::Denied(why);
        }
    }

    /// Ends the departure of a request. Returns false if this process has halted the run meanwhile.
    fn depart(&self, key: &EntryKey, claim: &Claim) -> bool {
        let mut state = self.state();
        if state.halted.contains(&claim.run) {
            if let Some(row) = state.claims.get_mut(key) {
                row.stage = Stage::Denied(NotDeparted::Halted);
            }
            return false;
        }
        let inbox = state.inboxes.get(&claim.worker).map(|(_, inbox)| Arc::clone(inbox));
        drop(state);
        if let Some(inbox) = inbox {
            inbox.put(Note::Departed(claim.index));
        }
        true
    }
}

impl fmt::Debug for Departures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departures").field("requests", &self.state().claims.len()).finish_non_exhaustive()
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
}

impl RequestEntry {
    /// Returns why the request was not sent, if its departure was denied.
    pub(crate) fn denied(&self) -> Option<NotDeparted> {
        match self.departures.state().claims.get(&self.key)?.stage {
            Stage::Denied(why) => Some(why),
            Stage::Waiting | Stage::Departing => None,
        }
    }
}

impl Drop for RequestEntry {
    fn drop(&mut self) {
        self.departures.state().claims.remove(&self.key);
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
        let denied = |why| {
            self.departures.deny(key, why);
            Err(JournalError::new(match why {
                NotDeparted::Halted => "the run is halted, so nothing was sent; resume the run",
                NotDeparted::NotHeld => "another worker has the row, so nothing was sent",
            }))
        };
        let Some(claim) = self.departures.begin(key) else { return denied(NotDeparted::NotHeld) };
        let departure = self.runs.depart_row(&claim.run, claim.index, claim.worker).await;
        match departure.map_err(|error| JournalError::new(error.to_string()).caused_by(error))? {
            Departure::Go => Ok(Some(claim)),
            Departure::Halted => denied(NotDeparted::Halted),
            Departure::NotHeld => denied(NotDeparted::NotHeld),
        }
    }

    /// Lets the request depart, unless this process has halted the run while the store was asked.
    fn let_go(&self, key: &EntryKey, claim: Option<&Claim>) -> Result<(), JournalError> {
        if claim.is_none_or(|claim| self.departures.depart(key, claim)) {
            return Ok(());
        }
        Err(JournalError::new("the run was halted before the request was sent, so nothing was sent; resume the run"))
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
        let claim = self.depart(key).await?;
        let intended = self.journal.intend(key, intent, holder, lease).await?;
        if matches!(intended, Intended::New | Intended::Mine) {
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
