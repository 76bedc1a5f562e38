//! Runs in memory.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use defender_transport::Clock;

use super::{
    record::{
        CreatedRun, Departure, NewRun, RowCounts, RowState, RowWritten, RunId, StoredRow, StoredRun, WorkerId,
        WorkerLease,
    },
    store::RunStore,
};
use crate::StoreError;

/// Runs in memory, for tests, and the reference for other stores. Nothing of them survives the process.
#[derive(Clone)]
pub struct MemoryRunStore {
    clock: Arc<dyn Clock>,
    runs: Arc<Mutex<Runs>>,
}

impl MemoryRunStore {
    /// Creates an empty store. Leases end on `clock`.
    #[must_use]
    pub fn new(clock: impl Clock + 'static) -> Self {
        Self { clock: Arc::new(clock), runs: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryRunStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRunStore").field("runs", &self.lock().order.len()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Runs {
    /// Ids in the order of creation.
    order: Vec<RunId>,
    by_id: HashMap<RunId, Run>,
}

struct Run {
    tenant_id: String,
    document: String,
    halt_after: Option<u32>,
    halted: Option<String>,
    /// Failed and unknown rows at the last `reopen_run`.
    failures_before: u32,
    rows: Vec<Row>,
}

struct Row {
    row: StoredRow,
    /// Worker, and the end of its lease. There is no lease once the worker has ended it.
    held: Option<(WorkerId, Option<Duration>)>,
}

impl Run {
    fn counts(&self) -> RowCounts {
        let mut counts = RowCounts::default();
        for row in &self.rows {
            *counts.of(row.row.state) += 1;
        }
        counts
    }

    fn failures(&self) -> u32 {
        let counts = self.counts();
        counts.failed + counts.unknown
    }

    /// Returns the first wave that has not ended.
    fn open_wave(&self) -> Option<u32> {
        self.rows.iter().filter(|row| !row.row.state.has_ended()).map(|row| row.row.wave).min()
    }

    /// Returns the row if the worker has it in this attempt.
    fn held(&mut self, index: u32, worker: WorkerId, attempt: u32) -> Option<&mut Row> {
        let row = self.rows.get_mut(usize::try_from(index).ok()?)?;
        let is_held = row.held.is_some_and(|(by, _)| by == worker);
        (is_held && row.row.attempt == attempt).then_some(row)
    }

    fn halt_if_too_many_failed(&mut self) {
        let failures = self.failures();
        let since = failures.saturating_sub(self.failures_before);
        if self.halted.is_none() && self.halt_after.is_some_and(|most| since >= most) {
            self.halted = Some(format!("{failures} of {} rows failed", self.rows.len()));
        }
    }
}

#[async_trait]
impl RunStore for MemoryRunStore {
    async fn create_run(&self, run: &NewRun) -> Result<CreatedRun, StoreError> {
        let mut runs = self.lock();
        if runs.by_id.contains_key(&run.id) {
            return Ok(CreatedRun::Existing);
        }
        let rows = (0_u32..).zip(&run.rows).map(|(index, row)| Row {
            row: StoredRow {
                index,
                wave: row.wave,
                state: RowState::Planned,
                attempt: 1,
                document: row.document.clone(),
            },
            held: None,
        });
        let new = Run {
            tenant_id: run.tenant_id.clone(),
            document: run.document.clone(),
            halt_after: run.halt_after,
            halted: None,
            failures_before: 0,
            rows: rows.collect(),
        };
        runs.order.push(run.id.clone());
        runs.by_id.insert(run.id.clone(), new);
        Ok(CreatedRun::New)
    }

    async fn run(&self, id: &RunId) -> Result<Option<StoredRun>, StoreError> {
        Ok(self.lock().stored(id))
    }

    async fn runs(&self, at_most: usize) -> Result<Vec<StoredRun>, StoreError> {
        let runs = self.lock();
        Ok(runs.order.iter().rev().take(at_most).filter_map(|id| runs.stored(id)).collect())
    }

    async fn rows(&self, id: &RunId, from: u32, at_most: usize) -> Result<Vec<StoredRow>, StoreError> {
        let runs = self.lock();
        let rows = runs.by_id.get(id).map(|run| run.rows.as_slice()).unwrap_or_default();
        Ok(rows.iter().map(|row| &row.row).filter(|row| row.index >= from).take(at_most).cloned().collect())
    }

    async fn halt_run(&self, id: &RunId, reason: &str) -> Result<(), StoreError> {
        if let Some(run) = self.lock().by_id.get_mut(id) {
            run.halted.get_or_insert_with(|| reason.to_owned());
        }
        Ok(())
    }

    async fn reopen_run(&self, id: &RunId) -> Result<(), StoreError> {
        if let Some(run) = self.lock().by_id.get_mut(id) {
            run.halted = None;
            run.failures_before = run.failures();
        }
        Ok(())
    }

    async fn claim_rows(
        &self,
        id: &RunId,
        WorkerLease { worker, lease }: WorkerLease,
        at_most: usize,
    ) -> Result<Vec<StoredRow>, StoreError> {
        let now = self.clock.elapsed();
        let mut runs = self.lock();
        let Some(run) = runs.by_id.get_mut(id) else { return Ok(Vec::new()) };
        let (open_wave, is_halted) = (run.open_wave(), run.halted.is_some());
        let is_free = |row: &Row| row.held.and_then(|(_, until)| until).is_none_or(|until| until <= now);
        let is_planned = |row: &Row| row.row.state == RowState::Planned;
        let may_begin = |row: &Row| is_planned(row) && !is_halted && Some(row.row.wave) == open_wave;
        let under_way = |row: &Row| !is_planned(row) && !row.row.state.has_ended();
        let mut claimed = Vec::new();
        for may_claim in [&under_way as &dyn Fn(&Row) -> bool, &may_begin] {
            let free = run.rows.iter_mut().filter(|row| is_free(row) && may_claim(row));
            for row in free.take(at_most.saturating_sub(claimed.len())) {
                row.held = Some((worker, Some(now.saturating_add(lease))));
                claimed.push(row.row.clone());
            }
        }
        Ok(claimed)
    }

    async fn renew_rows(&self, id: &RunId, WorkerLease { worker, lease }: WorkerLease) -> Result<u32, StoreError> {
        let until = self.clock.elapsed().saturating_add(lease);
        let mut renewed = 0;
        for row in self.lock().by_id.get_mut(id).into_iter().flat_map(|run| &mut run.rows) {
            let has_lease = row.held.is_some_and(|(by, until)| by == worker && until.is_some());
            if has_lease && !row.row.state.has_ended() {
                row.held = Some((worker, Some(until)));
                renewed += 1;
            }
        }
        Ok(renewed)
    }

    async fn depart_row(
        &self,
        id: &RunId,
        index: u32,
        worker: WorkerId,
        attempt: u32,
    ) -> Result<Departure, StoreError> {
        let mut runs = self.lock();
        let Some(run) = runs.by_id.get_mut(id) else { return Ok(Departure::NotHeld) };
        let is_halted = run.halted.is_some();
        Ok(match run.held(index, worker, attempt) {
            Some(row) if matches!(row.row.state, RowState::Planned | RowState::Sending) => {
                if is_halted {
                    Departure::Halted
                } else {
                    row.row.state = RowState::Sending;
                    Departure::Go
                }
            }
            _ => Departure::NotHeld,
        })
    }

    async fn write_row(
        &self,
        id: &RunId,
        index: u32,
        worker: WorkerId,
        attempt: u32,
        state: RowState,
        document: &str,
    ) -> Result<RowWritten, StoreError> {
        let mut runs = self.lock();
        let Some(run) = runs.by_id.get_mut(id) else { return Ok(RowWritten::NotHeld) };
        let Some(row) = run.held(index, worker, attempt) else { return Ok(RowWritten::NotHeld) };
        if row.row.state.has_ended() {
            let is_repeat = row.row.state == state && row.row.document == document;
            return Ok(if is_repeat {
                RowWritten::Done { is_halted: run.halted.is_some() }
            } else {
                RowWritten::NotHeld
            });
        }
        row.row.state = state;
        document.clone_into(&mut row.row.document);
        if state.has_ended() || state == RowState::Planned {
            row.held = Some((worker, None));
        }
        run.halt_if_too_many_failed();
        Ok(RowWritten::Done { is_halted: run.halted.is_some() })
    }

    async fn retry_rows(&self, id: &RunId, indexes: &[u32]) -> Result<u32, StoreError> {
        let mut retried = 0;
        let mut runs = self.lock();
        let Some(run) = runs.by_id.get_mut(id) else { return Ok(0) };
        for row in &mut run.rows {
            let has_failed = matches!(row.row.state, RowState::Failed | RowState::Unknown);
            if has_failed && indexes.contains(&row.row.index) {
                row.row.state = RowState::Planned;
                row.row.attempt += 1;
                row.held = None;
                retried += 1;
            }
        }
        run.failures_before = run.failures_before.min(run.failures());
        Ok(retried)
    }
}

impl Runs {
    fn stored(&self, id: &RunId) -> Option<StoredRun> {
        let run = self.by_id.get(id)?;
        Some(StoredRun {
            halt_after: run.halt_after,
            halted: run.halted.clone(),
            counts: run.counts(),
            ..StoredRun::new(id.clone(), run.tenant_id.clone(), run.document.clone())
        })
    }
}
