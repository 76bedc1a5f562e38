//! The thread that has the connection.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use defender_transport::Clock;
use rusqlite::{Connection, Error, ErrorCode, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{failure::failure, open};
use crate::{StoreError, StoreErrorKind};

/// Number of requests that wait for the thread. More of them wait for a place.
const WAITING: usize = 1_024;
/// Largest number of requests in one transaction.
const GROUP: usize = 256;

/// A request to the thread, and the way back to its caller.
trait Job: Send {
    /// The caller was dropped, and does not use what it asked for.
    fn is_given_up(&self) -> bool;

    /// Runs the statements. The result is kept until the transaction has ended. A job may run again after a failure.
    fn run(&mut self, db: &Connection, now: i64) -> rusqlite::Result<()>;

    /// Responds with the result of the last run, which is durable now.
    fn succeed(self: Box<Self>);

    fn fail(self: Box<Self>, path: &Path, error: &Arc<Error>);
}

struct Request<T, F> {
    /// What its failure is called.
    what: &'static str,
    statements: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Request<T, F>
where
    T: Send,
    F: Fn(&Connection, i64) -> rusqlite::Result<T> + Send,
{
    fn is_given_up(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, db: &Connection, now: i64) -> rusqlite::Result<()> {
        self.value = Some((self.statements)(db, now)?);
        Ok(())
    }

    fn succeed(self: Box<Self>) {
        // A caller that was dropped meanwhile needs no response.
        if let Some(value) = self.value {
            let _ = self.reply.send(Ok(value));
        }
    }

    fn fail(self: Box<Self>, path: &Path, error: &Arc<Error>) {
        let _ = self.reply.send(Err(failure(self.what, path, error)));
    }
}

/// The way to the thread. The thread ends with it.
pub(super) struct Writer {
    path: PathBuf,
    jobs: mpsc::Sender<Box<dyn Job>>,
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

    /// Name of the file in errors.
    pub(super) fn name(&self) -> String {
        format!("SQLite at {}", self.path.display())
    }

    /// Runs statements in a transaction, at a time in microseconds, and returns once their effect is durable. They may run several times;
    /// the last time counts.
    pub(super) async fn run<T, F>(&self, what: &'static str, statements: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection, i64) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, response) = oneshot::channel();
        let job = Box::new(Request { what, statements, value: None, reply });
        self.jobs.send(job).await.map_err(|_| ended(&self.path))?;
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
    fn run(mut self, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut jobs = vec![first];
            match self.commit(&mut jobs, || waiting.try_recv().ok()) {
                // Nothing of the group is stored. One of its requests may be the reason, and fails alone.
                Err(error) if jobs.len() > 1 && !is_locked(&error) => {
                    for job in jobs {
                        let mut jobs = vec![job];
                        let done = self.commit(&mut jobs, || None);
                        self.respond(jobs, done);
                    }
                }
                done => self.respond(jobs, done),
            }
        }
    }

    /// Runs the requests, and those that came while the file was locked, in one transaction.
    fn commit(
        &mut self,
        jobs: &mut Vec<Box<dyn Job>>,
        mut more: impl FnMut() -> Option<Box<dyn Job>>,
    ) -> Result<(), Error> {
        // A transaction that begins as a reader cannot become a writer after another process has written.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        jobs.extend(std::iter::from_fn(&mut more).take(GROUP));
        jobs.retain(|job| !job.is_given_up());
        for job in jobs {
            // Under the lock: the time of an ask is not before the times that another process has stored.
            let now = self.clock.now().as_microsecond();
            job.run(&transaction, now)?;
        }
        transaction.commit()
    }

    fn respond(&self, jobs: Vec<Box<dyn Job>>, done: Result<(), Error>) {
        let failed = done.err().map(Arc::new);
        for job in jobs {
            match &failed {
                None => job.succeed(),
                Some(error) => job.fail(&self.path, error),
            }
        }
    }
}

/// Returns true if another process has the file.
fn is_locked(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use defender_transport::{
        PermitId, PermitRequest, Permits,
        extensions::{QuotaKey, RateLimit},
        testing::ManualClock,
    };

    use super::*;
    use crate::{quota::Ask, sqlite::quota};

    async fn reserve(writer: &Writer, permits: usize) -> Result<Permits, StoreError> {
        let permits: Vec<_> = std::iter::repeat_with(PermitId::generate).take(permits).collect();
        let (key, hold) = (QuotaKey::from("key"), Duration::from_secs(1));
        let limits = [RateLimit { calls: 10_000, per: Duration::from_secs(1) }];
        let ask = Ask::new(&PermitRequest { key: &key, limits: &limits, permits: &permits, hold });
        writer.run("cannot reserve permits", move |db, now| quota::reserve(db, &ask, now)).await
    }

    /// A store on a connection that is changed after it was opened.
    pub(in crate::sqlite) async fn store(change: fn(&Path, Connection) -> Connection) -> (PathBuf, Writer) {
        let path = std::env::temp_dir().join(format!("defender-store-{}.db", PermitId::generate()));
        let file = path.clone();
        let open = move || open::open(&file).map(|connection| change(&file, connection));
        let writer = Writer::start_with(path.clone(), Box::new(ManualClock::new()), open).await.unwrap();
        (path, writer)
    }

    /// Lets the file grow by two pages only.
    pub(in crate::sqlite) fn almost_full(connection: Connection) -> Connection {
        let pages: i64 = connection.query_row("pragma page_count", [], |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
        connection
    }

    pub(in crate::sqlite) fn close(path: &Path, writer: Writer) {
        drop(writer);
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", path.display()));
        }
    }

    #[tokio::test]
    async fn full_disk_fails_the_ask_alone() {
        let (path, writer) = store(|_, connection| almost_full(connection)).await;
        let (large, small) = tokio::join!(reserve(&writer, 5_000), reserve(&writer, 1));
        let error = large.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Storage);
        assert!(
            error.to_string().ends_with("the disk is full (database or disk is full); free space and repeat"),
            "{error}"
        );
        assert_eq!(small.unwrap().granted, 1);
        close(&path, writer);
    }

    #[tokio::test]
    async fn read_only_file_is_an_error() {
        let (path, writer) =
            store(|path, _| Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap())
                .await;
        let error = reserve(&writer, 1).await.unwrap_err();
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
        let error = reserve(&writer, 1).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("another process holds its lock"), "{error}");
        other.execute_batch("rollback").unwrap();
        assert_eq!(reserve(&writer, 1).await.unwrap().granted, 1);
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
        let waits = tokio::time::timeout(Duration::from_millis(20), reserve(&writer, 7)).await;
        assert!(waits.is_err());
        other.execute_batch("rollback").unwrap();
        assert_eq!(reserve(&writer, 1).await.unwrap().granted, 1);
        let taken: i64 = other.query_row("select count(*) from quota_slot", [], |row| row.get(0)).unwrap();
        assert_eq!(taken, 1);
        close(&path, writer);
    }
}
