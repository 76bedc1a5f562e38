//! The loop of one worker on a run. It is a stream: nothing goes on unless it is polled, and dropping it is like a crash.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use defender_actions::{Awaited, BoxFuture, BoxStream, Error as ServiceError, WaitSet, model::MachineAction};
use defender_store::{RowState, WorkerLease};
use futures_util::{FutureExt, StreamExt, stream, stream::FuturesUnordered};
use jiff::SignedDuration;

use super::{
    attempt::{Context, Row, Step},
    event::{RunEvent, RunEventKind as Kind, RunRow},
    row::RowError,
};
use crate::{
    Error,
    departure::{Note, WorkerEntry},
};

/// Time for which the worker has its rows.
const LEASE: Duration = Duration::from_secs(90);
/// Interval at which the worker renews its leases, and looks if another process has halted the run.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// Time after which the worker asks again for rows that another worker may have left.
const CLAIM_AGAIN: Duration = Duration::from_secs(10);
/// The same while the run is being halted.
const HALTING: Duration = Duration::from_secs(1);
/// Most requests at a time. A permit comes for each within a minute.
const MOST_REQUESTS: u32 = 32;
/// Delays between two reads of the list.
const FIRST_READ: Duration = Duration::from_secs(2);
const LONGEST_READ: Duration = Duration::from_secs(30);

type Reads = (WaitSet<u32>, Vec<(u32, Result<MachineAction, ServiceError>)>);

/// State of the loop.
pub(super) struct Worker {
    context: Arc<Context>,
    entry: WorkerEntry,
    /// Most requests at a time.
    most: usize,
    events: VecDeque<RunEvent>,
    /// Rows before their submission.
    rows: FuturesUnordered<BoxFuture<Result<Step, Error>>>,
    /// Rows by index, for events of their departures.
    claimed: HashMap<u32, RunRow>,
    /// Ends that are written.
    ends: FuturesUnordered<BoxFuture<Result<Step, Error>>>,
    /// Rows that are waited for.
    waiting: HashMap<u32, Row>,
    /// The set of their actions, unless it is being read.
    set: Option<WaitSet<u32>>,
    /// Actions to be added to the set.
    added: Vec<(u32, Awaited)>,
    reading: Option<BoxFuture<Reads>>,
    read_at: Duration,
    read_delay: Duration,
    claim_at: Duration,
    heartbeat_at: Duration,
    /// Time before which the quota allows no request.
    quota_at: Duration,
    wave: Option<u32>,
    is_halted: bool,
    stage: Stage,
    failure: Option<Error>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Running,
    Over,
}

/// What the loop has waited for.
enum Happened {
    Note(Note),
    Step(Result<Step, Error>),
    Read(Box<Reads>),
    Time,
}

impl Worker {
    /// Returns the events of a new worker.
    pub(super) fn events(context: Context) -> BoxStream<Result<RunEvent, Error>> {
        let worker = Self::new(context);
        Box::pin(stream::unfold(worker, |mut worker| async move { worker.next().await.map(|event| (event, worker)) }))
    }

    fn new(context: Context) -> Self {
        let quota = context.approved.plan.action.info().quota;
        let most = quota.iter().map(|limit| limit.calls).fold(MOST_REQUESTS, u32::min);
        let entry = context.departures.worker(&context.run, context.worker);
        let set = Some(context.client.wait_set());
        Self {
            context: Arc::new(context),
            entry,
            most: usize::try_from(most).unwrap_or(1).max(1),
            events: VecDeque::new(),
            rows: FuturesUnordered::new(),
            claimed: HashMap::new(),
            ends: FuturesUnordered::new(),
            waiting: HashMap::new(),
            set,
            added: Vec::new(),
            reading: None,
            read_at: Duration::ZERO,
            read_delay: FIRST_READ,
            claim_at: Duration::ZERO,
            heartbeat_at: Duration::ZERO,
            quota_at: Duration::ZERO,
            wave: None,
            is_halted: false,
            stage: Stage::New,
            failure: None,
        }
    }

    async fn next(&mut self) -> Option<Result<RunEvent, Error>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(Ok(event));
            }
            if self.stage == Stage::Over {
                return None;
            }
            if let Err(error) = self.step().await {
                self.fail(error);
            }
            if self.rows.is_empty()
                && self.events.is_empty()
                && self.ends.is_empty()
                && let Some(error) = self.failure.take()
            {
                self.stage = Stage::Over;
                // Another worker may take the rows at once. If the store does not respond, it takes them after the lease.
                let (store, lease) = (&self.context.store, self.lease(Duration::ZERO));
                let _released_or_later = store.renew_rows(&self.context.run, lease).await;
                return Some(Err(error));
            }
        }
    }

    /// Ends the loop with the first error, once the requests that were sent have their outcome.
    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
        self.context.departures.cancel(self.context.worker);
    }

    /// Does what is due, waits for what happens next, and follows it.
    async fn step(&mut self) -> Result<(), Error> {
        if self.stage == Stage::New {
            self.begin().await?;
        }
        self.heartbeat().await?;
        if self.failure.is_none() {
            self.claim().await?;
            if self.is_idle() && self.is_done().await? {
                return Ok(());
            }
        }
        if !self.events.is_empty() {
            return Ok(());
        }
        self.read_if_due();
        let happened = self.wait().await;
        // A request departs before its row has an outcome.
        while let Some(note) = self.entry.inbox.take() {
            self.note(note).await?;
        }
        self.follow(happened).await
    }

    async fn begin(&mut self) -> Result<(), Error> {
        let run = self.context.stored().await?;
        self.stage = Stage::Running;
        self.heartbeat_at = self.now().saturating_add(HEARTBEAT);
        self.tell(Kind::Started { counts: run.counts });
        match run.halted {
            Some(reason) => self.halted_by(reason),
            None => self.context.departures.reopen(&self.context.run),
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.context.clock().elapsed()
    }

    fn lease(&self, lease: Duration) -> WorkerLease {
        WorkerLease { worker: self.context.worker, lease }
    }

    fn tell(&mut self, kind: Kind) {
        let (run, tenant) = (self.context.run.clone(), self.context.approved.plan.tenant.clone());
        self.events.push_back(RunEvent { run, tenant, kind });
    }

    /// Renews the leases, and looks if the run was halted.
    async fn heartbeat(&mut self) -> Result<(), Error> {
        let now = self.now();
        if now < self.heartbeat_at {
            return Ok(());
        }
        self.heartbeat_at = now.saturating_add(HEARTBEAT);
        if !self.is_idle() {
            let (store, lease) = (&self.context.store, self.lease(LEASE));
            let renewed = store.renew_rows(&self.context.run, lease).await;
            renewed.map_err(|error| self.context.store_failed(error))?;
        }
        if !self.is_halted
            && let Some(reason) = self.context.stored().await?.halted
        {
            self.halted_by(reason);
        }
        Ok(())
    }

    fn halted_by(&mut self, reason: String) {
        if !std::mem::replace(&mut self.is_halted, true) {
            self.tell(Kind::Halted { reason });
            self.context.departures.cancel(self.context.worker);
        }
    }

    /// Asks the store for the reason of a halt.
    async fn halted(&mut self) -> Result<(), Error> {
        if !self.is_halted {
            match self.context.stored().await?.halted {
                Some(reason) => self.halted_by(reason),
                // The store does not have the halt yet.
                None => self.claim_at = self.now().saturating_add(HALTING),
            }
        }
        Ok(())
    }

    /// Claims rows, as many as may be sent soon.
    async fn claim(&mut self) -> Result<(), Error> {
        let now = self.now();
        let wanted = self.most.saturating_sub(self.rows.len());
        if wanted == 0 || now < self.claim_at || now < self.quota_at {
            return Ok(());
        }
        let (store, lease) = (&self.context.store, self.lease(LEASE));
        let claimed = store.claim_rows(&self.context.run, lease, wanted).await;
        let claimed = claimed.map_err(|error| self.context.store_failed(error))?;
        if claimed.len() < wanted {
            self.claim_at = now.saturating_add(CLAIM_AGAIN);
        }
        for stored in claimed {
            if self.wave.is_none_or(|wave| wave < stored.wave) {
                self.wave_ended();
                self.wave = Some(stored.wave);
                self.tell(Kind::WaveBegan { wave: stored.wave });
            }
            let row = Row::of(&stored)?;
            self.claimed.insert(stored.index, row.for_event());
            self.rows.push(Box::pin(Arc::clone(&self.context).advance(row, stored.state, stored.attempt)));
        }
        Ok(())
    }

    fn wave_ended(&mut self) {
        if let Some(wave) = self.wave.take() {
            self.tell(Kind::WaveEnded { wave });
        }
    }

    fn is_idle(&self) -> bool {
        self.rows.is_empty() && self.ends.is_empty() && self.waiting.is_empty()
    }

    /// Returns whether nothing of the run is left to do, neither by this worker nor by another.
    async fn is_done(&mut self) -> Result<bool, Error> {
        let run = self.context.stored().await?;
        if let Some(reason) = run.halted {
            self.halted_by(reason);
        }
        let counts = run.counts;
        let is_done = if self.is_halted { counts.sending + counts.submitted == 0 } else { counts.open() == 0 };
        if is_done {
            if counts.open() == 0 {
                self.wave_ended();
            }
            self.tell(Kind::Ended { counts });
            self.stage = Stage::Over;
        }
        Ok(is_done)
    }

    /// Begins a read of the list, if it is time.
    fn read_if_due(&mut self) {
        let Some(mut set) = self.set.take() else { return };
        for (index, awaited) in self.added.drain(..) {
            set.add(index, awaited);
        }
        if self.waiting.is_empty() || self.now() < self.read_at || self.failure.is_some() {
            self.set = Some(set);
            return;
        }
        self.reading = Some(Box::pin(async move {
            let ended = set.read().await;
            (set, ended)
        }));
    }

    /// Waits until something happens.
    async fn wait(&mut self) -> Happened {
        let now = self.now();
        let may_claim = self.failure.is_none() && self.rows.len() < self.most;
        let times = [
            Some(self.heartbeat_at),
            may_claim.then_some(self.claim_at.max(self.quota_at)),
            (self.set.is_some() && !self.waiting.is_empty() && self.failure.is_none()).then_some(self.read_at),
        ];
        let until = times.into_iter().flatten().min().unwrap_or(self.heartbeat_at);
        if until <= now {
            return Happened::Time;
        }
        let mut time = self.context.clock().sleep_until(until);
        let Self { entry, rows, ends, reading, .. } = self;
        poll_fn(|context| {
            if let Some(note) = entry.inbox.poll(context.waker()) {
                return Poll::Ready(Happened::Note(note));
            }
            if let Poll::Ready(Some(step)) = rows.poll_next_unpin(context) {
                return Poll::Ready(Happened::Step(step));
            }
            if let Poll::Ready(Some(step)) = ends.poll_next_unpin(context) {
                return Poll::Ready(Happened::Step(step));
            }
            if let Some(Poll::Ready(read)) = reading.as_mut().map(|reading| reading.poll_unpin(context)) {
                *reading = None;
                return Poll::Ready(Happened::Read(read.into()));
            }
            // A request that departed in this poll.
            if let Some(note) = entry.inbox.poll(context.waker()) {
                return Poll::Ready(Happened::Note(note));
            }
            time.poll_unpin(context).map(|()| Happened::Time)
        })
        .await
    }

    async fn follow(&mut self, happened: Happened) -> Result<(), Error> {
        match happened {
            Happened::Time => Ok(()),
            Happened::Note(note) => self.note(note).await,
            Happened::Step(step) => self.stepped(step?).await,
            Happened::Read(read) => {
                let (set, ended) = *read;
                self.set = Some(set);
                self.read_delay = (self.read_delay * 3 / 2).min(LONGEST_READ);
                self.read_at = self.now().saturating_add(self.read_delay);
                for (index, outcome) in ended {
                    if let Some(row) = self.waiting.remove(&index) {
                        self.ends.push(Box::pin(Arc::clone(&self.context).ended(row, outcome)));
                    }
                }
                Ok(())
            }
        }
    }

    async fn note(&mut self, note: Note) -> Result<(), Error> {
        match note {
            Note::Halted => self.halted().await,
            Note::Departed(index) => {
                if let Some(row) = self.claimed.remove(&index) {
                    self.tell(Kind::Sent { row });
                }
                Ok(())
            }
        }
    }

    async fn stepped(&mut self, step: Step) -> Result<(), Error> {
        match step {
            Step::Submitted { row, awaited, is_news } => {
                let attempt = &row.document.attempt;
                if let (true, Some(origin), Some(action_id)) = (is_news, attempt.origin, attempt.action_id.clone()) {
                    self.tell(Kind::Submitted { row: row.for_event(), origin, action_id });
                }
                if self.waiting.is_empty() {
                    self.read_soon();
                }
                self.added.push((row.index, *awaited));
                self.waiting.insert(row.index, *row);
                if self.rows.is_empty() && self.now() < self.claim_at {
                    // The last of the wave: its end is what the run waits for.
                    self.read_soon();
                }
                Ok(())
            }
            Step::Ended { row, state, is_halted } => {
                self.tell(ended(&row, state));
                if self.rows.is_empty() && self.waiting.is_empty() {
                    // The next wave may begin.
                    self.claim_at = Duration::ZERO;
                }
                if is_halted { self.halted().await } else { Ok(()) }
            }
            Step::Planned { again_in } => {
                let until = self.now().saturating_add(again_in);
                if until > self.quota_at && !again_in.is_zero() {
                    self.quota_at = until;
                    let again_in = SignedDuration::try_from(again_in).unwrap_or_default();
                    let until = self.context.clock().now().saturating_add(again_in);
                    self.tell(Kind::WaitingForQuota { until: until.unwrap_or(jiff::Timestamp::MAX) });
                }
                self.claim_at = Duration::ZERO;
                Ok(())
            }
            Step::Halted => self.halted().await,
            Step::Lost => Ok(()),
        }
    }

    fn read_soon(&mut self) {
        self.read_delay = FIRST_READ;
        self.read_at = self.now().saturating_add(FIRST_READ);
    }
}

/// Returns the event of an ended row.
fn ended(row: &Row, state: RowState) -> Kind {
    let attempt = &row.document.attempt;
    let error = || attempt.error.clone().unwrap_or_else(|| RowError::of_line(""));
    let (row, status, action_id) = (row.for_event(), attempt.status.clone(), attempt.action_id.clone());
    match state {
        RowState::Failed => Kind::Failed { row, status, error: error() },
        RowState::Unknown => Kind::Unknown { row, error: error() },
        _ => Kind::Succeeded { row, action_id },
    }
}
