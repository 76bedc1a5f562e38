//! Retention of entries.

use std::time::Duration;

use defender_actions::{Holder, Intended, Journal, Settlement};
use defender_store::SqliteStore;

use super::world::{DAY, SECOND, created, intend, intent_of, key, record, unknown};
use crate::{clock::SteppingClock, folder::Folder};

async fn store() -> (Folder, SteppingClock, SqliteStore) {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let store = SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap();
    (folder, clock, store)
}

/// One entry in each state.
async fn fill(store: &SqliteStore) {
    let not_sent = Settlement::NotSent { error: "e".to_owned() };
    let refused = Settlement::Refused { error: "e".to_owned() };
    for (name, outcome) in [
        ("not sent", not_sent),
        ("refused", refused),
        ("unknown", unknown()),
        ("submitted", created("a")),
        ("finished", created("b")),
    ] {
        let holder = intend(store, name, SECOND).await;
        store.settle(&key(name), holder, &outcome).await.unwrap();
    }
    store.finish(&key("finished"), &record("b", "Succeeded")).await.unwrap();
}

async fn kept(store: &SqliteStore) -> Vec<&'static str> {
    let mut kept = Vec::new();
    for name in ["not sent", "refused", "unknown", "submitted", "finished", "intended"] {
        if store.entry(&key(name)).await.unwrap().is_some() {
            kept.push(name);
        }
    }
    kept
}

#[tokio::test]
async fn needed_entries_are_kept() {
    let (_folder, clock, store) = store().await;
    fill(&store).await;
    clock.0.advance(DAY * 29);
    assert_eq!(store.prune_entries(DAY * 30).await.unwrap(), 0);
    clock.0.advance(DAY * 2);
    assert_eq!(store.prune_entries(DAY * 30).await.unwrap(), 3);
    assert_eq!(kept(&store).await, ["unknown", "submitted"]);
    clock.0.advance(DAY * 160);
    assert_eq!(store.prune_entries(DAY * 365).await.unwrap(), 0);
    assert_eq!(store.prune_entries(DAY * 30).await.unwrap(), 1);
    assert_eq!(kept(&store).await, ["unknown"]);
    clock.0.advance(DAY * 10_000);
    assert_eq!(store.prune_entries(Duration::ZERO).await.unwrap(), 0);
}

/// An end that was seen lately counts, and not the time of the request.
#[tokio::test]
async fn age_counts_from_the_last_change() {
    let (_folder, clock, store) = store().await;
    fill(&store).await;
    clock.0.advance(DAY * 40);
    store.finish(&key("submitted"), &record("a", "Failed")).await.unwrap();
    assert_eq!(store.prune_entries(DAY * 30).await.unwrap(), 3);
    assert_eq!(kept(&store).await, ["unknown", "submitted"]);
    clock.0.advance(DAY * 31);
    assert_eq!(store.prune_entries(DAY * 30).await.unwrap(), 1);
}

/// The recovery of an intended entry must not take the action of a deleted entry for its own.
#[tokio::test]
async fn intended_entry_keeps_its_tenant() {
    let (_folder, clock, store) = store().await;
    fill(&store).await;
    let holder = intend(&store, "intended", SECOND).await;
    let other = Holder::generate();
    let intended = store.intend(&key("other tenant"), &intent_of("other"), other, SECOND).await.unwrap();
    assert_eq!(intended, Intended::New);
    let not_sent = Settlement::NotSent { error: "e".to_owned() };
    store.settle(&key("other tenant"), other, &not_sent).await.unwrap();
    clock.0.advance(DAY * 400);
    assert_eq!(store.prune_entries(DAY * 30).await.unwrap(), 1, "the entry of the other tenant");
    store.settle(&key("intended"), holder, &unknown()).await.unwrap();
    // A new intent is not from before that time.
    intend(&store, "new", SECOND).await;
    assert_eq!(store.prune_entries(DAY * 30).await.unwrap(), 4);
    assert_eq!(kept(&store).await, ["unknown", "intended"]);
}

#[tokio::test]
async fn many_entries_are_deleted_in_parts() {
    let (folder, clock, store) = store().await;
    let fill = format!(
        "insert into entry (key, api, tenant, state, intent, version, holder, lease_until, outcome, intended_at, settled_at) \
         with recursive n (i) as (select 1 union all select i + 1 from n where i < 2500) \
         select i, 'api', 'tenant', 2, '{{}}', 2, randomblob(16), 0, '{{}}', {0}, {0} from n",
        defender_transport::Clock::now(&clock).as_microsecond()
    );
    rusqlite::Connection::open(folder.file()).unwrap().execute_batch(&fill).unwrap();
    clock.0.advance(DAY);
    assert_eq!(store.prune_entries(SECOND).await.unwrap(), 2_500);
}
