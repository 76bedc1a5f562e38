//! Faults of the file under the thread.

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
        store(|path, _| Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()).await;
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
thread_local! {
    /// Waits of this thread for the lock of a file.
    static WAITS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Runs these requests on a locked file. Returns their responses, and the number of waits for the lock. A request is given up if it is
/// false.
fn run_locked(requests: &[bool]) -> (Vec<Result<(), StoreError>>, u32) {
    let path = std::env::temp_dir().join(format!("defender-store-{}.db", PermitId::generate()));
    let mut connection = open::open(&path).unwrap();
    let count = |_waits| {
        WAITS.set(WAITS.get() + 1);
        false
    };
    connection.busy_handler(Some(count)).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let (jobs, waiting) = mpsc::channel::<Box<dyn Job>>(WAITING);
    let mut responses = Vec::new();
    for is_awaited in requests {
        let (reply, response) = oneshot::channel();
        jobs.try_send(Box::new(Request {
            what: "cannot wait",
            statements: |_: &Connection, _| Ok(()),
            value: None,
            reply,
        }))
        .unwrap_or_else(|_| panic!("the channel is full"));
        responses.extend(is_awaited.then_some(response));
    }
    drop(jobs);
    WAITS.set(0);
    Thread { connection, path: path.clone(), clock: Box::new(ManualClock::new()) }.run(waiting);
    drop(other);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    (responses.into_iter().map(|mut response| response.try_recv().unwrap()).collect(), WAITS.get())
}

#[test]
fn locked_file_fails_all_that_wait() {
    let (responses, waits) = run_locked(&[true; 20]);
    assert_eq!((responses.len(), waits), (20, 1));
    for response in responses {
        let error = response.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().starts_with("cannot wait: SQLite at "), "{error}");
    }
}

#[test]
fn dropped_callers_wait_for_no_lock() {
    assert_eq!(run_locked(&[false; 20]).1, 0);
}
