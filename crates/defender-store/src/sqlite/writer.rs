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
    /// Beginning of the message of a failure.
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
            // A wait for the lock would be in vain.
            if first.is_given_up() {
                continue;
            }
            let mut jobs = vec![first];
            let mut done = self.commit(&mut jobs, || waiting.try_recv().ok());
            if jobs.len() > 1 && done.as_ref().is_err_and(|error| !is_locked(error)) {
                // Nothing of the group is stored. One of its requests may be the reason, and fails alone.
                (jobs, done) = self.one_by_one(jobs);
            }
            if done.as_ref().is_err_and(is_locked) {
                // Each of them would wait for the lock as long, one after the other.
                jobs.extend(std::iter::from_fn(|| waiting.try_recv().ok()));
            }
            self.respond(jobs, done);
        }
    }

    /// Runs each request in a transaction of its own, and responds. Returns those that are left once the file is locked.
    fn one_by_one(&mut self, jobs: Vec<Box<dyn Job>>) -> (Vec<Box<dyn Job>>, Result<(), Error>) {
        let mut jobs = jobs.into_iter();
        while let Some(job) = jobs.next() {
            let mut alone = vec![job];
            let done = self.commit(&mut alone, || None);
            if done.as_ref().is_err_and(is_locked) {
                alone.extend(jobs);
                return (alone, done);
            }
            self.respond(alone, done);
        }
        (Vec::new(), Ok(()))
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
pub(super) mod tests;
