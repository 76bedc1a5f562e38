//! The loop of one worker on a run. It is a stream: nothing goes on unless it is polled, and dropping it is like a crash.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use defender_actions::{Awaited, BoxFuture, BoxStream, Error as ServiceError, WaitSet, model::MachineAction};
use defender_store::{StoredRow, StoredRun, WorkerLease};
use futures_util::{stream, stream::FuturesUnordered};

use super::{
    context::{Claims, Context, Row, Step},
    event::{RunEvent, RunEventKind as Kind, RunRow},
};
use crate::{
    Error,
    departure::{HaltMark, WorkerEntry},
};

/// Time for which the worker has its rows.
pub(super) const LEASE: Duration = Duration::from_secs(90);
/// Time between two heartbeats, which renew the leases, and look if another process has halted the run.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// Time after which the worker asks again for rows that another worker may have left.
pub(super) const CLAIM_AGAIN: Duration = Duration::from_secs(10);
/// The same while the run is being halted.
const HALTING: Duration = Duration::from_secs(1);
/// Time after which a row is sent again if the service was not reached.
pub(super) const SEND_AGAIN: Duration = Duration::from_secs(30);
/// Time without a connection after which the worker gives up.
pub(super) const GIVE_UP: Duration = Duration::from_secs(600);
/// Time after a failure to reach the service after which the next failure is of another outage. In one outage, a row fails again after a pause of
/// 30 seconds, a submission of at most 150, and its calls of the journal.
pub(super) const OUTAGE_ENDS: Duration = Duration::from_secs(300);
/// Most requests at a time. A permit comes for each within a minute.
const MOST_REQUESTS: u32 = 32;
/// Delays between two reads of the list.
pub(super) const FIRST_READ: Duration = Duration::from_secs(2);
pub(super) const LONGEST_READ: Duration = Duration::from_secs(30);

/// Index of a row, and its step.
pub(super) type Stepped = (u32, Result<Step, Error>);
/// A set that was read, the actions that ended, and true if the list failed for all.
pub(super) type Reads = (WaitSet<u32>, Vec<(u32, Result<MachineAction, ServiceError>)>, bool);

/// State of the loop.
pub(super) struct Worker {
    pub(super) context: Arc<Context>,
    pub(super) entry: WorkerEntry,
    /// Most requests at a time.
    pub(super) most: usize,
    pub(super) events: VecDeque<RunEvent>,
    /// Rows before their submission.
    pub(super) rows: FuturesUnordered<BoxFuture<Stepped>>,
    /// All rows that the worker has, by index. On the clock of the store, their leases may end while the worker does not see it.
    pub(super) held: HashMap<u32, Claims>,
    /// Rows that the store has given to the worker again while it had them.
    pub(super) claimed_again: HashMap<u32, StoredRow>,
    /// Rows by index, for events of their departures.
    pub(super) claimed: HashMap<u32, RunRow>,
    /// Ends that are written.
    pub(super) ends: FuturesUnordered<BoxFuture<Stepped>>,
    /// Rows that are waited for.
    pub(super) waiting: HashMap<u32, Row>,
    /// The set of their actions, unless it is being read.
    pub(super) set: Option<WaitSet<u32>>,
    /// Actions to be added to the set.
    pub(super) added: Vec<(u32, Awaited)>,
    pub(super) reading: Option<BoxFuture<Reads>>,
    pub(super) read_at: Duration,
    pub(super) read_delay: Duration,
    pub(super) claim_at: Duration,
    pub(super) heartbeat_at: Duration,
    /// Time before which no request is sent: the quota is used up, or the service was not reached.
    pub(super) send_at: Duration,
    /// Time of the next claim of rows that other workers have left, while no request is sent.
    pub(super) take_over_at: Duration,
    /// Times of the first and the last failure to reach the service in an outage.
    pub(super) outage: Option<(Duration, Duration)>,
    pub(super) wave: Option<u32>,
    pub(super) is_halted: bool,
    pub(super) stage: Stage,
    pub(super) failure: Option<Error>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    New,
    Running,
    Over,
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
            held: HashMap::new(),
            claimed_again: HashMap::new(),
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
            send_at: Duration::ZERO,
            take_over_at: Duration::ZERO,
            outage: None,
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
        // The note of a request precedes the outcome of its row.
        while let Some(note) = self.entry.inbox.take() {
            self.note(note).await?;
        }
        self.follow(happened).await
    }

    async fn begin(&mut self) -> Result<(), Error> {
        let halts = self.context.departures.halts(&self.context.run);
        let run = self.context.stored().await?;
        self.context.is_in_time(&run).await?;
        self.context.write_kept_outcomes().await;
        self.stage = Stage::Running;
        self.heartbeat_at = self.now().saturating_add(HEARTBEAT);
        self.tell(Kind::Started { counts: run.counts });
        self.follow_halt(run.halted, halts);
        Ok(())
    }

    /// Reads the run, and follows its halt or the end of a halt.
    pub(super) async fn look(&mut self) -> Result<StoredRun, Error> {
        let halts = self.context.departures.halts(&self.context.run);
        let run = self.context.stored().await?;
        self.follow_halt(run.halted.clone(), halts);
        Ok(run)
    }

    fn follow_halt(&mut self, halted: Option<String>, halts: HaltMark) {
        if let Some(reason) = halted {
            self.halted_by(reason);
        } else {
            // Another process may have resumed the run.
            self.is_halted = false;
            self.context.departures.reopen(&self.context.run, halts);
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.context.clock().elapsed()
    }

    pub(super) fn lease(&self, lease: Duration) -> WorkerLease {
        WorkerLease { worker: self.context.worker, lease }
    }

    pub(super) fn tell(&mut self, kind: Kind) {
        let (run, tenant) = (self.context.run.clone(), self.context.approved.plan.tenant.clone());
        self.events.push_back(RunEvent { run, tenant, kind });
    }

    /// Renews the leases, and looks if the run was halted, if it is time.
    async fn heartbeat(&mut self) -> Result<(), Error> {
        if self.now() < self.heartbeat_at {
            return Ok(());
        }
        let beat = self.beat().await;
        // From its end, also if it failed: a store or a journal may take longer than the interval, and the rows have their time in between.
        // With the longest flush of the journal, 50 seconds and the calls of the store lie between two renewals of a lease of 90.
        self.heartbeat_at = self.now().saturating_add(HEARTBEAT);
        beat
    }

    async fn beat(&mut self) -> Result<(), Error> {
        if !self.is_idle() {
            let renewed = self.context.store.renew_rows(&self.context.run, self.lease(LEASE)).await;
            renewed.map_err(|error| self.context.store_failed(error))?;
        }
        self.context.write_kept_outcomes().await;
        self.look().await.map(drop)
    }

    pub(super) fn halted_by(&mut self, reason: String) {
        if !std::mem::replace(&mut self.is_halted, true) {
            self.tell(Kind::Halted { reason });
            self.context.departures.cancel(self.context.worker);
        }
    }

    /// Asks the store for the reason of a halt.
    pub(super) async fn halted(&mut self) -> Result<(), Error> {
        if !self.is_halted && self.look().await?.halted.is_none() {
            // The store does not have the halt yet.
            self.claim_at = self.now().saturating_add(HALTING);
        }
        Ok(())
    }

    pub(super) fn wave_ended(&mut self) {
        if let Some(wave) = self.wave.take() {
            self.tell(Kind::WaveEnded { wave });
        }
    }

    fn is_idle(&self) -> bool {
        self.rows.is_empty() && self.ends.is_empty() && self.waiting.is_empty()
    }

    /// Returns whether nothing of the run is left to do, neither by this worker nor by another.
    async fn is_done(&mut self) -> Result<bool, Error> {
        let counts = self.look().await?.counts;
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
}
