//! Faults of an SQLite file, and its schema and retention.

use std::{sync::Arc, time::Duration};

use defender_store::{SqliteStore, StoreErrorKind};
use defender_transport::{
    EndedPermit, PermitId, PermitOutcome, PermitRequest, QuotaStore,
    extensions::{QuotaKey, RateLimit},
};
use rusqlite::Connection;

use super::{clock::SteppingClock, folder::Folder};

static KEY: std::sync::LazyLock<QuotaKey> = std::sync::LazyLock::new(|| "application/tenant/isolate".into());
const SECOND: Duration = Duration::from_secs(1);

async fn granted(store: &SqliteStore, permits: &[PermitId], limits: &[RateLimit]) -> usize {
    let request = PermitRequest { key: &KEY, limits, permits, hold: SECOND * 40 };
    store.reserve(&request).await.unwrap().granted
}

async fn one(store: &SqliteStore, limits: &[RateLimit]) -> bool {
    granted(store, &[PermitId::generate()], limits).await == 1
}

fn number(path: &std::path::Path, statement: &str) -> i64 {
    Connection::open(path).unwrap().query_row(statement, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn newer_schema_is_refused() {
    let folder = Folder::new();
    drop(SqliteStore::open(folder.file()).await.unwrap());
    Connection::open(folder.file()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(folder.file()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Schema);
    let text = format!(
        "cannot open the store: SQLite at {}: the schema has version 99, and this version of defender-store knows versions up \
         to 2; update the program",
        folder.file().display()
    );
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn file_of_another_program_stays_as_it_is() {
    let folder = Folder::new();
    let theirs = Connection::open(folder.file()).unwrap();
    theirs.execute_batch("create table quota_slot (id integer)").unwrap();
    drop(theirs);
    let before = std::fs::read(folder.file()).unwrap();
    let error = SqliteStore::open(folder.file()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Schema);
    assert!(error.to_string().contains("the tables belong to another program"), "{error}");
    assert!(std::fs::read(folder.file()).unwrap() == before);
}

#[tokio::test]
async fn file_that_is_no_database_is_refused() {
    let folder = Folder::new();
    std::fs::write(folder.file(), [b'x'; 4096]).unwrap();
    let error = SqliteStore::open(folder.file()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Storage);
    assert!(error.to_string().contains("is not a database"), "{error}");
}

#[tokio::test]
async fn missing_folder_is_an_error() {
    let folder = Folder::new();
    let error = SqliteStore::open(folder.path().join("none/quota.db")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Storage);
    assert!(error.to_string().contains("check that its folder exists"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_file_may_be_opened_at_once() {
    let folder = Folder::new();
    let opened = (0..8).map(|_| tokio::spawn(SqliteStore::open(folder.file())));
    for opened in opened.collect::<Vec<_>>() {
        opened.await.unwrap().unwrap();
    }
    assert_eq!(number(&folder.file(), "pragma user_version"), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_user_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let store = SqliteStore::open(folder.file()).await.unwrap();
    assert!(one(&store, &[]).await);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn slots_survive_the_process() {
    let (folder, clock, limits) = (Folder::new(), SteppingClock::default(), [RateLimit { calls: 1, per: SECOND }]);
    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    assert!(one(&store, &limits).await);
    drop(store);
    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    assert!(!one(&store, &limits).await);
    clock.0.advance(SECOND * 41);
    assert!(one(&store, &limits).await);
}

/// With `begin` instead of `begin immediate`, most of these asks fail, since a reader cannot become a writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_connections_never_fail() {
    let (folder, limits) = (Folder::new(), [RateLimit { calls: 100, per: SECOND * 1_000 }]);
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let store = Arc::new(SqliteStore::open(folder.file()).await.unwrap());
        for _ in 0..4 {
            let store = Arc::clone(&store);
            tasks.push(tokio::spawn(async move {
                let mut count = 0;
                for _ in 0..25 {
                    count += usize::from(one(&store, &limits).await);
                }
                count
            }));
        }
    }
    let mut count = 0;
    for task in tasks {
        count += task.await.unwrap();
    }
    assert_eq!(count, 100);
}

#[tokio::test]
async fn old_slots_are_deleted_with_use() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let limits = [RateLimit { calls: 5, per: SECOND }, RateLimit { calls: 20, per: SECOND * 10 }];
    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    for _ in 0..100 {
        let permits: Vec<_> = std::iter::repeat_with(PermitId::generate).take(5).collect();
        if granted(&store, &permits, &limits).await == 5 {
            let ended =
                permits.iter().map(|&id| EndedPermit { id, outcome: PermitOutcome::Answered, ago: Duration::ZERO });
            store.release(&KEY, &ended.collect::<Vec<_>>()).await.unwrap();
        }
        clock.0.advance(SECOND);
    }
    let kept = number(&folder.file(), "select count(*) from quota_slot");
    assert!((1..=25).contains(&kept), "{kept}");
    let deleted = i64::try_from(store.prune().await.unwrap()).unwrap();
    assert!(
        (10..=20).contains(&(kept - deleted)),
        "{deleted} of {kept}: the slots of the last ten seconds are counted"
    );
    clock.0.advance(SECOND * 100);
    assert_eq!(i64::try_from(store.prune().await.unwrap()).unwrap(), kept - deleted);
    assert_eq!(number(&folder.file(), "select count(*) from quota_slot"), 0);
}

/// `quota_limit.spare` counts seldom. It must never be more than the free slots.
#[tokio::test]
async fn spare_is_at_most_the_free_slots() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let limits = [RateLimit { calls: 7, per: SECOND * 5 }, RateLimit { calls: 11, per: SECOND * 20 }];
    let other = [RateLimit { calls: 9, per: SECOND * 8 }];
    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    let mut under_way = Vec::new();
    for (step, quarter) in (0_usize..400).zip([0_u32, 1, 2, 3].into_iter().cycle()) {
        let asked: Vec<_> = std::iter::repeat_with(PermitId::generate).take(1 + step % 3).collect();
        let count = granted(&store, &asked, if step % 5 == 0 { &other } else { &limits }).await;
        under_way.extend(asked.into_iter().take(count));
        if step % 2 == 1 && !under_way.is_empty() {
            let id = under_way.remove(step % under_way.len());
            let outcome = if step % 7 == 0 { PermitOutcome::NeverSent } else { PermitOutcome::Answered };
            store.release(&KEY, &[EndedPermit { id, outcome, ago: SECOND * quarter / 4 }]).await.unwrap();
        }
        clock.0.advance(SECOND * quarter / 2);
        let now = defender_transport::Clock::now(&clock).as_microsecond();
        let worst = format!(
            "select min(calls - spare - (select count(*) from quota_slot s where s.key = l.key and s.base > {now} - l.per)) \
             from quota_limit l"
        );
        assert!(number(&folder.file(), &worst) >= 0, "step {step}");
    }
}

/// Another process has the file while the ask waits. A time from before the wait would free the slot early.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "another connection has the file in real time")]
async fn time_is_taken_under_the_lock() {
    let folder = Folder::new();
    let store = SqliteStore::open(folder.file()).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let waiting = tokio::spawn(async move { one(&store, &[]).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let held_until = jiff::Timestamp::now().as_microsecond();
    other.execute_batch("rollback").unwrap();
    assert!(waiting.await.unwrap());
    let asked = number(&folder.file(), "select base - 40000000 from quota_slot");
    assert!(asked >= held_until, "{} microseconds before the lock was free", held_until - asked);
}

/// The store was lost, and a process reports the end of a request from before.
#[tokio::test]
async fn refusal_closes_a_key_that_is_new() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    let outcome = PermitOutcome::Refused { retry_after: SECOND * 5 };
    let ended = [EndedPermit { id: PermitId::generate(), outcome, ago: Duration::ZERO }];
    store.release(&KEY, &ended).await.unwrap();
    assert!(!one(&store, &[]).await);
    clock.0.advance(SECOND * 5);
    assert!(one(&store, &[]).await);
}
