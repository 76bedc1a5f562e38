//! The thread that has the connection.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use defender_transport::{Clock, Permits};
use rusqlite::{Connection, Error, ErrorCode, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{failure::failure, open, quota};
use crate::{
    StoreError, StoreErrorKind,
    quota::{Ask, Report},
};

/// Number of requests that wait for the thread. More of them wait for a place.
const WAITING: usize = 1_024;
/// Largest number of requests in one transaction.
const GROUP: usize = 256;

/// A request to the thread.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    Reserve(Ask),
    Release(Report),
    Prune,
}

/// Response of the thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    Permits(Permits),
    Done,
    Count(u64),
}

impl Reply {
    pub(super) fn permits(self) -> Permits {
        match self {
            Self::Permits(permits) => permits,
            Self::Done | Self::Count(_) => Permits { granted: 0, retry_after: None },
        }
    }

    pub(super) fn count(self) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Done | Self::Permits(_) => 0,
        }
    }
}

struct Job {
    statement: Statement,
    reply: oneshot::Sender<Result<Reply, StoreError>>,
}

/// The way to the thread. The thread ends with it.
pub(super) struct Writer {
    path: PathBuf,
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread, and returns once the file is open.
    pub(super) async fn start(path: PathBuf, clock: Box<dyn Clock>) -> Result<Self, StoreError> {
        let file = path.clone();
        Self::start_with(path, clock, move || open::open(&file)).await
    }

    pub(super) async fn start_with(
        path: PathBuf,
        clock: Box<dyn Clock>,
        open: impl FnOnce() -> Result<Connection, StoreError> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (jobs, waiting) = mpsc::channel(WAITING);
        let (opened, is_open) = oneshot::channel();
        let file = path.clone();
        let run = move || match open() {
            Ok(connection) => {
                // If nobody waits for the store any more, the channel is closed, and the thread ends.
                let _ = opened.send(Ok(()));
                Thread { connection, path: file, clock }.run(waiting);
            }
            Err(error) => drop(opened.send(Err(error))),
        };
        std::thread::Builder::new().name("defender-store".to_owned()).spawn(run).map_err(|error| {
            let message = format!("cannot open the store: SQLite at {}: no thread ({error})", path.display());
            StoreError::new(StoreErrorKind::Unavailable, message).caused_by(error)
        })?;
        is_open.await.unwrap_or_else(|_| Err(ended(&path)))?;
        Ok(Self { path, jobs })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a request, and returns once its effect is durable.
    pub(super) async fn run(&self, statement: Statement) -> Result<Reply, StoreError> {
        let (reply, response) = oneshot::channel();
        self.jobs.send(Job { statement, reply }).await.map_err(|_| ended(&self.path))?;
        response.await.unwrap_or_else(|_| Err(ended(&self.path)))
    }
}

fn ended(path: &Path) -> StoreError {
    let message = format!("SQLite at {}: the thread of the store has ended; open the store again", path.display());
    StoreError::new(StoreErrorKind::Unavailable, message)
}

struct Thread {
    connection: Connection,
    path: PathBuf,
    clock: Box<dyn Clock>,
}

impl Thread {
    fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut jobs = vec![first];
            match self.commit(&mut jobs, || waiting.try_recv().ok()) {
                // Nothing of the group is stored. One of its requests may be the reason, and fails alone.
                Err(error) if jobs.len() > 1 && !is_locked(&error) => {
                    for job in jobs {
                        let mut jobs = vec![job];
                        let replies = self.commit(&mut jobs, || None);
                        self.respond(jobs, replies);
                    }
                }
                replies => self.respond(jobs, replies),
            }
        }
    }

    /// Runs the requests, and those that came while the file was locked, in one transaction.
    fn commit(&mut self, jobs: &mut Vec<Job>, mut more: impl FnMut() -> Option<Job>) -> Result<Vec<Reply>, Error> {
        // A transaction that begins as a reader cannot become a writer after another process has written.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        jobs.extend(std::iter::from_fn(&mut more).take(GROUP));
        // A caller that was dropped does not use what it asked for.
        jobs.retain(|job| !job.reply.is_closed());
        let mut replies = Vec::with_capacity(jobs.len());
        for job in &*jobs {
            // Under the lock: the time of an ask is not before the times that another process has stored.
            let now = self.clock.now().as_microsecond();
            replies.push(match &job.statement {
                Statement::Reserve(ask) => Reply::Permits(quota::reserve(&transaction, ask, now)?),
                Statement::Release(report) => quota::release(&transaction, report, now).map(|()| Reply::Done)?,
                Statement::Prune => Reply::Count(quota::prune(&transaction, now)?),
            });
        }
        transaction.commit()?;
        Ok(replies)
    }

    fn respond(&self, jobs: Vec<Job>, replies: Result<Vec<Reply>, Error>) {
        match replies {
            Ok(replies) => {
                for (job, reply) in jobs.into_iter().zip(replies) {
                    // A caller that was dropped meanwhile needs no reply.
                    let _ = job.reply.send(Ok(reply));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for job in jobs {
                    let error = failure(job.statement.failure(), &self.path, &error);
                    let _ = job.reply.send(Err(error));
                }
            }
        }
    }
}

impl Statement {
    /// Text of its failure.
    fn failure(&self) -> &'static str {
        match self {
            Self::Reserve(_) => "cannot reserve permits",
            Self::Release(_) => "cannot release permits",
            Self::Prune => "cannot delete old slots",
        }
    }
}

/// Returns true if another process has the file.
fn is_locked(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use defender_transport::{
        PermitId, PermitRequest,
        extensions::{QuotaKey, RateLimit},
        testing::ManualClock,
    };

    use super::*;

    fn reserve(permits: usize) -> Statement {
        let permits: Vec<_> = std::iter::repeat_with(PermitId::generate).take(permits).collect();
        let (key, hold) = (QuotaKey::from("key"), Duration::from_secs(1));
        let limits = [RateLimit { calls: 10_000, per: Duration::from_secs(1) }];
        Statement::Reserve(Ask::new(&PermitRequest { key: &key, limits: &limits, permits: &permits, hold }))
    }

    /// A store on a connection that is changed after it was opened.
    async fn store(change: fn(&Path, Connection) -> Connection) -> (PathBuf, Writer) {
        let path = std::env::temp_dir().join(format!("defender-store-{}.db", PermitId::generate()));
        let file = path.clone();
        let open = move || open::open(&file).map(|connection| change(&file, connection));
        let writer = Writer::start_with(path.clone(), Box::new(ManualClock::new()), open).await.unwrap();
        (path, writer)
    }

    fn close(path: &Path, writer: Writer) {
        drop(writer);
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", path.display()));
        }
    }

    #[tokio::test]
    async fn full_disk_fails_the_ask_alone() {
        let (path, writer) = store(|_, connection| {
            let pages: i64 = connection.query_row("pragma page_count", [], |row| row.get(0)).unwrap();
            connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
            connection
        })
        .await;
        let (large, small) = tokio::join!(writer.run(reserve(5_000)), writer.run(reserve(1)));
        let error = large.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Storage);
        assert!(
            error.to_string().ends_with("the disk is full (database or disk is full); free space and repeat"),
            "{error}"
        );
        assert_eq!(small.unwrap().permits().granted, 1);
        close(&path, writer);
    }

    #[tokio::test]
    async fn read_only_file_is_an_error() {
        let (path, writer) =
            store(|path, _| Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap())
                .await;
        let error = writer.run(reserve(1)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Storage);
        assert!(error.to_string().contains("the file is read-only"), "{error}");
        close(&path, writer);
    }

    #[tokio::test]
    async fn locked_file_is_an_error_after_a_while() {
        let (path, writer) = store(|_, connection| {
            connection.busy_timeout(Duration::from_millis(50)).unwrap();
            connection
        })
        .await;
        let other = Connection::open(&path).unwrap();
        other.execute_batch("begin immediate").unwrap();
        let error = writer.run(reserve(1)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("another process holds its lock"), "{error}");
        other.execute_batch("rollback").unwrap();
        assert_eq!(writer.run(reserve(1)).await.unwrap().permits().granted, 1);
        close(&path, writer);
    }

    #[tokio::test]
    async fn commit_is_flushed_to_the_disk() {
        let (path, writer) = store(|_, connection| {
            let mode: String = connection.query_row("pragma journal_mode", [], |row| row.get(0)).unwrap();
            let flushes: i64 = connection.query_row("pragma synchronous", [], |row| row.get(0)).unwrap();
            assert_eq!((mode.as_str(), flushes), ("wal", 2));
            connection
        })
        .await;
        close(&path, writer);
    }

    #[tokio::test]
    async fn dropped_caller_takes_no_slot() {
        let (path, writer) = store(|_, connection| connection).await;
        let other = Connection::open(&path).unwrap();
        other.execute_batch("begin immediate").unwrap();
        // It waits for the lock, and its caller gives up.
        let waits = tokio::time::timeout(Duration::from_millis(20), writer.run(reserve(7))).await;
        assert!(waits.is_err());
        other.execute_batch("rollback").unwrap();
        assert_eq!(writer.run(reserve(1)).await.unwrap().permits().granted, 1);
        let taken: i64 = other.query_row("select count(*) from quota_slot", [], |row| row.get(0)).unwrap();
        assert_eq!(taken, 1);
        close(&path, writer);
    }
}
