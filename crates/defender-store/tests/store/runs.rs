//! Runs: the suite on the store in memory and on SQLite, and faults.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use defender_store::{
    CreatedRun, Departure, MemoryRunStore, NewRow, NewRun, RowState, RowWritten, RunId, RunStore, SqliteStore,
    StoreError, StoreErrorKind, StoredRow, StoredRun, WorkerId, WorkerLease, conformance::RunSuite,
};
use defender_transport::SystemClock;
use rusqlite::Connection;

use crate::{clock::SteppingClock, folder::Folder};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn memory_runs_keep_the_contract() {
    let clock = SteppingClock::default();
    let store = MemoryRunStore::new(clock.clone());
    let verdict = RunSuite::new(vec![Arc::new(store.clone()), Arc::new(store)], clock).run().await;
    assert!(verdict.holds(), "{verdict}");
    assert!(verdict.clauses().count() > 50);
}

#[tokio::test]
async fn sqlite_runs_keep_the_contract() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let handle = || async { SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap() };
    let (first, second) = (handle().await, handle().await);
    let verdict = RunSuite::new(vec![Arc::new(first), Arc::new(second)], clock.clone()).run().await;
    assert!(verdict.holds(), "{verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_runs_keep_contract_in_real_time() {
    let folder = Folder::new();
    let (first, second) =
        (SqliteStore::open(folder.file()).await.unwrap(), SqliteStore::open(folder.file()).await.unwrap());
    let suite = RunSuite::new(vec![Arc::new(first), Arc::new(second)], SystemClock::new());
    let verdict = suite.unit(Duration::from_millis(400)).run_at_once().await;
    assert!(verdict.holds(), "{verdict}");
}

fn new_run(rows: usize) -> NewRun {
    NewRun {
        id: RunId::new("run").unwrap(),
        tenant_id: "tenant".to_owned(),
        document: "document".to_owned(),
        halt_after: Some(2),
        rows: vec![NewRow { wave: 0, document: "row".to_owned() }; rows],
    }
}

#[tokio::test]
async fn runs_survive_the_process() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    let (run, worker) = (new_run(3), WorkerId::generate());
    assert_eq!(store.create_run(&run).await.unwrap(), CreatedRun::New);
    let lease = WorkerLease { worker, lease: SECOND * 60 };
    assert_eq!(store.claim_rows(&run.id, lease, 10).await.unwrap().len(), 3);
    assert_eq!(store.depart_row(&run.id, 0, worker, 1).await.unwrap(), Departure::Go);
    store.write_row(&run.id, 1, worker, 1, RowState::Failed, "failed").await.unwrap();
    let before = (store.run(&run.id).await.unwrap(), store.rows(&run.id, 0, 10).await.unwrap());
    drop(store);

    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    assert_eq!((store.run(&run.id).await.unwrap(), store.rows(&run.id, 0, 10).await.unwrap()), before);
    let next = WorkerLease { worker: WorkerId::generate(), lease: SECOND };
    assert_eq!(store.claim_rows(&run.id, next, 10).await.unwrap(), []);
    clock.0.advance(SECOND * 60);
    let claimed = store.claim_rows(&run.id, next, 10).await.unwrap();
    assert_eq!(
        claimed.iter().map(|row| (row.index, row.state)).collect::<Vec<_>>(),
        [(0, RowState::Sending), (2, RowState::Planned)]
    );
    let halted = store.write_row(&run.id, 0, next.worker, 1, RowState::Unknown, "lost").await.unwrap();
    assert_eq!(halted, RowWritten::Done { is_halted: true });
}

#[tokio::test]
async fn locked_file_is_an_error_of_runs() {
    let folder = Folder::new();
    let store = SqliteStore::open(folder.file()).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let error = store.create_run(&new_run(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().starts_with("cannot create a run: SQLite at "), "{error}");
    other.execute_batch("rollback").unwrap();
    assert_eq!(store.create_run(&new_run(1)).await.unwrap(), CreatedRun::New);
}

/// The run and its rows are written in one transaction.
#[tokio::test]
async fn run_is_created_whole_or_not() {
    let folder = Folder::new();
    let store = SqliteStore::open(folder.file()).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other
        .execute_batch(
            "create trigger fails before insert on run_row when new.place = 2 begin select raise(abort, 'no more'); end",
        )
        .unwrap();
    let error = store.create_run(&new_run(3)).await.unwrap_err();
    assert!(error.to_string().contains("no more"), "{error}");
    assert_eq!(store.run(&new_run(3).id).await.unwrap(), None);
    other.execute_batch("drop trigger fails").unwrap();
    assert_eq!(store.create_run(&new_run(3)).await.unwrap(), CreatedRun::New);
    assert_eq!(store.rows(&new_run(3).id, 0, 10).await.unwrap().len(), 3);
}

/// A store that breaks one clause, as the suite must notice.
#[derive(Debug)]
struct Broken {
    store: MemoryRunStore,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    HasNoLease,
    LeaseIsForEver,
    HaltIsIgnored,
    ReopeningIsIgnored,
    EveryoneIsTheWorker,
    AttemptIsIgnored,
    EndedRowsAreWritten,
    NoFailureHalts,
    RetriesEverything,
    ReturnsTheOldestFirst,
    LosesTheDocument,
    RenewsWhatWasPutBack,
}

impl Broken {
    async fn attempt(&self, id: &RunId, index: u32, attempt: u32) -> Result<u32, StoreError> {
        let rows = self.store.rows(id, index, 1).await?;
        Ok(rows.first().filter(|_| self.fault == Fault::AttemptIsIgnored).map_or(attempt, |row| row.attempt))
    }
}

#[async_trait]
impl RunStore for Broken {
    async fn create_run(&self, run: &NewRun) -> Result<CreatedRun, StoreError> {
        let mut run = run.clone();
        if self.fault == Fault::NoFailureHalts {
            run.halt_after = run.halt_after.map(|_| 1_000);
        }
        self.store.create_run(&run).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<StoredRun>, StoreError> {
        self.store.run(id).await
    }

    async fn runs(&self, at_most: usize) -> Result<Vec<StoredRun>, StoreError> {
        let mut runs = self.store.runs(at_most).await?;
        if self.fault == Fault::ReturnsTheOldestFirst {
            runs.reverse();
        }
        Ok(runs)
    }

    async fn rows(&self, id: &RunId, from: u32, at_most: usize) -> Result<Vec<StoredRow>, StoreError> {
        self.store.rows(id, from, at_most).await
    }

    async fn halt_run(&self, id: &RunId, reason: &str) -> Result<(), StoreError> {
        if self.fault == Fault::HaltIsIgnored { Ok(()) } else { self.store.halt_run(id, reason).await }
    }

    async fn reopen_run(&self, id: &RunId) -> Result<(), StoreError> {
        if self.fault == Fault::ReopeningIsIgnored { Ok(()) } else { self.store.reopen_run(id).await }
    }

    async fn claim_rows(&self, id: &RunId, lease: WorkerLease, at_most: usize) -> Result<Vec<StoredRow>, StoreError> {
        let mut lease = lease;
        match self.fault {
            Fault::HasNoLease => lease.lease = Duration::ZERO,
            Fault::LeaseIsForEver => lease.lease = SECOND * 1_000_000,
            Fault::EveryoneIsTheWorker => lease.worker = WorkerId::from_u128(1),
            _ => {}
        }
        self.store.claim_rows(id, lease, at_most).await
    }

    async fn renew_rows(&self, id: &RunId, lease: WorkerLease) -> Result<u32, StoreError> {
        let renewed = self.store.renew_rows(id, lease).await?;
        if self.fault == Fault::RenewsWhatWasPutBack {
            self.store.claim_rows(id, lease, 1).await?;
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
        let worker = if self.fault == Fault::EveryoneIsTheWorker { WorkerId::from_u128(1) } else { worker };
        let attempt = self.attempt(id, index, attempt).await?;
        self.store.depart_row(id, index, worker, attempt).await
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
        let document = if self.fault == Fault::LosesTheDocument { "" } else { document };
        let attempt = self.attempt(id, index, attempt).await?;
        let written = self.store.write_row(id, index, worker, attempt, state, document).await?;
        if self.fault == Fault::EndedRowsAreWritten && written == RowWritten::NotHeld {
            return Ok(RowWritten::Done { is_halted: false });
        }
        Ok(written)
    }

    async fn retry_rows(&self, id: &RunId, indexes: &[u32]) -> Result<u32, StoreError> {
        let retried = self.store.retry_rows(id, indexes).await?;
        if self.fault == Fault::RetriesEverything {
            return Ok(u32::try_from(indexes.len()).unwrap());
        }
        Ok(retried)
    }
}

#[tokio::test]
async fn run_suite_notices_each_fault() {
    for (fault, clause) in [
        (Fault::HasNoLease, "held_row_is_left_alone"),
        (Fault::LeaseIsForEver, "ended_lease_frees_the_row"),
        (Fault::HaltIsIgnored, "halted_run_departs_no_row"),
        (Fault::ReopeningIsIgnored, "reopened_run_goes_on"),
        (Fault::EveryoneIsTheWorker, "departure_needs_the_worker"),
        (Fault::AttemptIsIgnored, "departure_needs_the_attempt"),
        (Fault::AttemptIsIgnored, "write_needs_the_attempt"),
        (Fault::EndedRowsAreWritten, "ended_row_is_final"),
        (Fault::NoFailureHalts, "failures_halt_the_run"),
        (Fault::RetriesEverything, "other_rows_are_not_retried"),
        (Fault::ReturnsTheOldestFirst, "newest_runs_come_first"),
        (Fault::LosesTheDocument, "document_is_replaced"),
        (Fault::RenewsWhatWasPutBack, "put_back_row_is_not_renewed"),
    ] {
        let clock = SteppingClock::default();
        let store = Broken { store: MemoryRunStore::new(clock.clone()), fault };
        let verdict = RunSuite::new(vec![Arc::new(store)], clock).run().await;
        assert!(verdict.failures().any(|(name, _)| name == clause), "{fault:?}: {verdict}");
    }
}
