//! The requests of runs in this process: which row each is for, whether it may depart, and the halts of their runs.
//!
//! [`GuardedJournal`](crate::guarded_journal::GuardedJournal) asks here and at the store for each request, right before its intent is written.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use defender_actions::EntryKey;
use defender_store::{RunId, WorkerId};
use defender_transport::Clock;
use futures_util::future::AbortHandle;

use crate::{
    claim::{Claim, NotDeparted},
    inbox::{Inbox, Note},
};

/// Time for which a departure holds.
const FRESH: Duration = Duration::from_secs(1);

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
    clock: Arc<dyn Clock>,
    stage: Stage,
    abort: AbortHandle,
}

/// Request that asks for its departure.
pub(crate) struct Departed {
    pub(crate) claim: Claim,
    clock: Arc<dyn Clock>,
    /// Time at which the store was asked.
    asked_at: Duration,
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

impl Departed {
    /// Returns whether the store is asked again. Between intent and request a crash leaves a row of which nobody knows whether it was sent, so
    /// that this time is kept short: no row changes hands within a second, since leases last longer.
    pub(crate) fn is_old(&self) -> bool {
        self.clock.elapsed().saturating_sub(self.asked_at) >= FRESH
    }
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
    pub(crate) fn request(
        self: &Arc<Self>,
        key: &EntryKey,
        claim: Claim,
        clock: &Arc<dyn Clock>,
        abort: AbortHandle,
    ) -> Option<RequestEntry> {
        let mut state = self.state();
        // Its intent, or the outcome of its intent, may be on the way to the journal.
        if state.claims.get(key).is_some_and(|row| row.stage != Stage::Waiting) {
            return None;
        }
        let id = state.next_id();
        let row = Row { id, claim, clock: Arc::clone(clock), stage: Stage::Waiting, abort };
        let before = state.claims.insert(key.clone(), row);
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
    pub(crate) fn begin(&self, key: &EntryKey) -> Option<Departed> {
        let mut state = self.state();
        let row = state.claims.get_mut(key)?;
        if let Stage::Denied(_) = row.stage {
            return None;
        }
        row.stage = Stage::Departing;
        let (claim, clock, asked_at) = (row.claim.clone(), Arc::clone(&row.clock), row.clock.elapsed());
        Some(Departed { claim, clock, asked_at })
    }

    /// Denies the departure of a request. The first reason stays, and is returned.
    pub(crate) fn deny(&self, key: &EntryKey, why: NotDeparted) -> NotDeparted {
        let mut state = self.state();
        let Some(row) = state.claims.get_mut(key) else { return why };
        if let Stage::Denied(first) = row.stage {
            return first;
        }
        row.stage = Stage::Denied(why);
        why
    }

    /// Ends the departure of a request. Fails if this process has halted the run meanwhile.
    pub(crate) fn depart(&self, key: &EntryKey, claim: &Claim) -> Result<(), NotDeparted> {
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
