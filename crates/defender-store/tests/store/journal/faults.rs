//! Faults of the file, its schema, and traps of the statements.

use std::{path::Path, sync::Arc};

use defender_actions::{Entry, Holder, Intended, Intent, Journal, JournalError, Settled};
use defender_store::{SqliteStore, StoreError, StoreErrorKind};
use defender_transport::{PermitId, PermitRequest, QuotaStore, extensions::RateLimit};
use futures_util::future::join_all;
use rusqlite::Connection;

use super::world::{SECOND, created, intend, intent, key, record, scope, take_over, unknown};
use crate::{clock::SteppingClock, folder::Folder};

fn kind(error: &JournalError) -> Option<StoreErrorKind> {
    std::error::Error::source(error)?.downcast_ref::<StoreError>().map(StoreError::kind)
}

fn number(path: &Path, statement: &str) -> i64 {
    Connection::open(path).unwrap().query_row(statement, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn entries_survive_the_process() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    let holder = intend(&store, "open", SECOND * 10).await;
    let done = intend(&store, "done", SECOND * 10).await;
    store.settle(&key("done"), done, &created("a")).await.unwrap();
    store.finish(&key("done"), &record("a", "Succeeded")).await.unwrap();
    drop(store);
    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    let expected = Entry::new(intent(), Some(created("a")), Some(record("a", "Succeeded")));
    assert_eq!(store.entry(&key("done")).await.unwrap(), Some(expected));
    assert_eq!(store.intend(&key("open"), &intent(), holder, SECOND).await.unwrap(), Intended::Mine);
    assert_eq!(take_over(&store).await, [""; 0]);
    clock.0.advance(SECOND * 10);
    assert_eq!(take_over(&store).await, ["open"]);
}

/// A file of the version before the journal, with slots that must stay.
#[tokio::test]
async fn first_schema_is_migrated() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let first = Connection::open(folder.file()).unwrap();
    first.execute_batch(include_str!("../../../src/schema/sqlite.sql")).unwrap();
    let now = defender_transport::Clock::now(&clock).as_microsecond();
    first
        .execute_batch(&format!(
            "insert into quota_key (id, name) values (7, 'key'); insert into quota_limit values (7, 2, 60000000, 1); \
             insert into quota_slot values (7, randomblob(16), {now}, 0); \
             pragma application_id = {}; pragma user_version = 1;",
            0x4466_5374
        ))
        .unwrap();
    drop(first);
    // Two processes at once.
    let stores = join_all((0..4).map(|_| SqliteStore::open_with_clock(folder.file(), clock.clone()))).await;
    let stores: Vec<_> = stores.into_iter().map(Result::unwrap).collect();
    assert_eq!(number(&folder.file(), "pragma user_version"), 2);
    let (key, permits) = ("key".into(), [PermitId::generate(), PermitId::generate()]);
    let limits = [RateLimit { calls: 2, per: SECOND * 60 }];
    let request = PermitRequest { key: &key, limits: &limits, permits: &permits, hold: SECOND };
    assert_eq!(stores[0].reserve(&request).await.unwrap().granted, 1, "one of two slots was taken before");
    intend(&stores[1], "first", SECOND).await;
    assert!(stores[2].entry(&super::world::key("first")).await.unwrap().is_some());
}

/// The journal in a file that a migration has left half done: all of it is rolled back.
#[tokio::test]
async fn failed_migration_changes_nothing() {
    let folder = Folder::new();
    let first = Connection::open(folder.file()).unwrap();
    first.execute_batch(include_str!("../../../src/schema/sqlite.sql")).unwrap();
    first
        .execute_batch(&format!(
            "create index entry_open on quota_key (name); pragma application_id = {}; pragma user_version = 1;",
            0x4466_5374
        ))
        .unwrap();
    let error = SqliteStore::open(folder.file()).await.unwrap_err();
    assert!(error.to_string().contains("entry_open"), "{error}");
    assert_eq!(number(&folder.file(), "pragma user_version"), 1);
    assert_eq!(number(&folder.file(), "select count(*) from sqlite_schema where name = 'entry'"), 0);
    first.execute_batch("drop index entry_open").unwrap();
    SqliteStore::open(folder.file()).await.unwrap();
}

/// With `begin` instead of `begin immediate`, most of these fail as busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_g_concurrent_writers_are_never_busy() {
    let folder = Folder::new();
    let mut tasks = Vec::new();
    for process in 0..4 {
        let store = Arc::new(SqliteStore::open(folder.file()).await.unwrap());
        for task in 0..4 {
            let store = Arc::clone(&store);
            tasks.push(tokio::spawn(async move {
                for index in 0..10 {
                    let name = format!("{process}-{task}-{index}");
                    let holder = intend(&*store, &name, SECOND).await;
                    store.settle(&key(&name), holder, &created(&name)).await.unwrap();
                }
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(number(&folder.file(), "select count(*) from entry where state = 1"), 160);
}

/// The conflict of an action fails its statement, and not the others of its transaction.
#[tokio::test]
async fn trap_f_claimed_action_fails_alone() {
    let folder = Folder::new();
    let store = SqliteStore::open(folder.file()).await.unwrap();
    let first = intend(&store, "first", SECOND).await;
    store.settle(&key("first"), first, &created("a")).await.unwrap();
    let second = intend(&store, "second", SECOND).await;
    let third = Holder::generate();
    let (second_key, third_key, same, new) = (key("second"), key("third"), created("A"), intent());
    let (claimed, intended) =
        tokio::join!(store.settle(&second_key, second, &same), store.intend(&third_key, &new, third, SECOND));
    assert_eq!(claimed.unwrap(), Settled::ClaimedBy(key("first")));
    assert_eq!(intended.unwrap(), Intended::New);
    assert_eq!(store.entry(&key("second")).await.unwrap().unwrap().outcome, None);
}

/// A response that was lost after the commit, or a caller that was dropped: the repeat of the same holder is its own entry.
#[tokio::test]
async fn lost_commit_is_mine() {
    let folder = Folder::new();
    let store = SqliteStore::open(folder.file()).await.unwrap();
    let (first, new, holder) = (key("first"), intent(), Holder::generate());
    // Its caller is dropped as soon as it is queued.
    let mut call = store.intend(&first, &new, holder, SECOND);
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(call);
    let intended = store.intend(&key("first"), &intent(), holder, SECOND).await.unwrap();
    assert!(matches!(intended, Intended::New | Intended::Mine), "{intended:?}");
    let other = store.intend(&key("first"), &intent(), Holder::generate(), SECOND).await.unwrap();
    assert!(matches!(other, Intended::Existing(_)), "{other:?}");
}

#[tokio::test]
async fn damaged_entry_is_named() {
    let folder = Folder::new();
    let store = SqliteStore::open(folder.file()).await.unwrap();
    intend(&store, "first", SECOND).await;
    let other = Connection::open(folder.file()).unwrap();
    other.execute("update entry set intent = '{'", []).unwrap();
    let error = store.entry(&key("first")).await.unwrap_err();
    assert_eq!(kind(&error), Some(StoreErrorKind::Storage));
    let text = error.to_string();
    let begin = format!("cannot read the journal: SQLite at {}: entry `first`: ", folder.file().display());
    assert!(text.starts_with(&begin) && text.contains("restore a backup"), "{text}");
}

/// The recovery of the others goes on, and the error has the key of a damaged entry if nothing else was to be recovered.
#[tokio::test]
async fn damaged_entry_stops_no_recovery() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    for name in ["a", "damaged", "z"] {
        intend(&store, name, SECOND).await;
    }
    let other = Connection::open(folder.file()).unwrap();
    other.execute("update entry set intent = '{' where key = 'damaged'", []).unwrap();
    clock.0.advance(SECOND);
    assert_eq!(take_over(&store).await, ["a", "z"]);
    for name in ["a", "z"] {
        store.settle(&key(name), Holder::generate(), &created(name)).await.unwrap();
    }
    clock.0.advance(SECOND * 300);
    let error = store.claim_unsettled(&scope(), Holder::generate(), SECOND, 10).await.unwrap_err();
    assert_eq!(kind(&error), Some(StoreErrorKind::Storage));
    assert!(error.to_string().contains("entry `damaged`"), "{error}");
}

/// An older program leaves the entries of a newer one to it, and says so if it is asked for one.
#[tokio::test]
async fn entry_of_a_newer_program_is_left_to_it() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    for name in ["newer", "ours"] {
        intend(&store, name, SECOND).await;
    }
    let (this, next) = (format!("\"version\":{}", Intent::VERSION), format!("\"version\":{}", Intent::VERSION + 1));
    let other = Connection::open(folder.file()).unwrap();
    let changed = other.execute(
        "update entry set version = version + 1, intent = replace(intent, ?1, ?2) where key = 'newer'",
        [this, next],
    );
    assert_eq!(changed.unwrap(), 1);
    clock.0.advance(SECOND);
    assert_eq!(take_over(&store).await, ["ours"]);
    let tries: i64 = other.query_row("select tries from entry where key = 'newer'", [], |row| row.get(0)).unwrap();
    assert_eq!(tries, 0, "an older program has taken over the entry");
    let error = store.intend(&key("newer"), &intent(), Holder::generate(), SECOND).await.unwrap_err().to_string();
    assert!(error.contains("entry `newer`") && error.contains("update the program"), "{error}");
}

/// Another process has the lock for longer than the store waits.
#[tokio::test]
async fn locked_file_is_an_error_of_the_journal() {
    let folder = Folder::new();
    let store = SqliteStore::open(folder.file()).await.unwrap();
    let holder = intend(&store, "first", SECOND).await;
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let error = store.settle(&key("first"), holder, &unknown()).await.unwrap_err();
    assert_eq!(kind(&error), Some(StoreErrorKind::Unavailable));
    let text = error.to_string();
    assert!(text.starts_with("cannot write an outcome: SQLite at ") && text.contains("holds its lock"), "{text}");
    other.execute_batch("rollback").unwrap();
    assert_eq!(store.settle(&key("first"), holder, &unknown()).await.unwrap(), Settled::Done);
}
