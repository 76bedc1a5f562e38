//! Data that the rows of a worker share, a row, and its steps.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use defender_actions::{Awaited, DefenderClient, EntryKey, Error as ServiceError, Journal};
use defender_store::{RowState, RunId, RunStore, StoreError, StoredRow, StoredRun, WorkerId};
use defender_transport::Clock;

use super::{
    event::RunRow,
    row::{RowAttempt, RowDocument},
};
use crate::{ApprovedPlan, Error, ErrorKind, departure::Departures};

/// Number of rows that are read at a time.
pub(super) const ROWS: usize = 500;

/// Data that the rows of a worker share.
pub(super) struct Context {
    pub(super) run: RunId,
    pub(super) approved: Arc<ApprovedPlan>,
    pub(super) client: DefenderClient,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) store: Arc<dyn RunStore>,
    pub(super) departures: Arc<Departures>,
    pub(super) worker: WorkerId,
}

/// Row that the worker has.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) index: u32,
    pub(super) wave: u32,
    /// Number of the attempt that the worker has claimed.
    pub(super) claimed_attempt: u32,
    pub(super) document: RowDocument,
    pub(super) claims: Claims,
    /// Number of the claims right before the last look into the journal. What it showed is old if there are more.
    pub(super) looked_at: u32,
}

/// Number of times that the worker got a row again while it had it. Another worker may have had the row before each of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Arc<AtomicU32>);

impl Claims {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Row {
    pub(super) fn of(stored: &StoredRow) -> Result<Self, Error> {
        let document = RowDocument::parse(&stored.document)?;
        let StoredRow { index, wave, attempt: claimed_attempt, .. } = *stored;
        Ok(Self { index, wave, claimed_attempt, document, claims: Claims::default(), looked_at: 0 })
    }

    /// Returns the form of the row in events.
    pub(super) fn for_event(&self) -> RunRow {
        let RowDocument { machine_id, name, .. } = &self.document;
        RunRow { index: self.index, wave: self.wave, machine_id: machine_id.clone(), name: name.clone() }
    }

    pub(super) fn attempt(&mut self) -> &mut RowAttempt {
        &mut self.document.attempt
    }
}

/// Step of a row. The store has it.
#[derive(Debug)]
pub(super) enum Step {
    /// The service has accepted the action, which is waited for.
    Submitted { row: Box<Row>, awaited: Box<Awaited>, is_news: bool },
    /// The row has ended.
    Ended { row: Box<Row>, state: RowState, is_halted: bool },
    /// The row is planned again. No row is sent for this time.
    Planned { again_in: Duration },
    /// The row is planned again, since the service was not reached.
    Unreachable { error: Box<Error> },
    /// The row is planned again, since another worker of this process has claimed it as well.
    Later,
    /// The row is planned again, since the run is halted.
    Halted,
    /// Another worker has the row, or has ended the attempt.
    Lost,
}

impl Context {
    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        self.client.clock()
    }

    /// Returns an error of the run.
    pub(super) fn failed(&self, kind: ErrorKind, why: impl fmt::Display) -> Error {
        Error::new(kind, format!("tenant `{}`, run {}: {why}", self.approved.plan.tenant, self.run))
    }

    pub(super) fn service_failed(&self, error: ServiceError) -> Error {
        self.failed(ErrorKind::Service, &error).caused_by(error)
    }

    pub(super) fn store_failed(&self, error: StoreError) -> Error {
        self.failed(ErrorKind::Store, &error).caused_by(error)
    }

    /// Plans a row again that was claimed and not begun.
    pub(super) async fn give_back(&self, stored: &StoredRow) -> Result<(), Error> {
        let StoredRow { index, attempt, document, .. } = stored;
        let state = RowState::Planned;
        let written = self.store.write_row(&self.run, *index, self.worker, *attempt, state, document).await;
        written.map(drop).map_err(|error| self.store_failed(error))
    }

    /// Fails if the plan has lapsed and no request of the run was sent.
    pub(super) async fn is_in_time(&self, run: &StoredRun) -> Result<(), Error> {
        let (lapses_at, now) = (self.approved.plan.lapses_at, self.clock().now());
        if now <= lapses_at || run.counts.planned != run.counts.total() {
            return Ok(());
        }
        let mut from = 0;
        loop {
            let rows = self.store.rows(&self.run, from, ROWS).await.map_err(|error| self.store_failed(error))?;
            let Some(last) = rows.last() else { break };
            // A later attempt is a person's word.
            if rows.iter().any(|row| row.attempt > 1 || row.state != RowState::Planned) {
                return Ok(());
            }
            from = last.index + 1;
        }
        let why = format!(
            "the plan lapsed at {lapses_at:.0} before anything was sent, and it is {now:.0}; make another plan"
        );
        Err(self.failed(ErrorKind::PlanLapsed, why))
    }

    /// Returns the run as the store has it.
    pub(super) async fn stored(&self) -> Result<StoredRun, Error> {
        let run = self.store.run(&self.run).await.map_err(|error| self.store_failed(error))?;
        run.ok_or_else(|| self.failed(ErrorKind::UnknownRun, "the store no longer has the run"))
    }

    /// Returns the key of an attempt.
    pub(super) fn key(&self, text: &str) -> Result<EntryKey, Error> {
        EntryKey::new(text)
            .ok_or_else(|| self.failed(ErrorKind::Store, format!("`{text}` is not a key of the journal")))
    }
}
