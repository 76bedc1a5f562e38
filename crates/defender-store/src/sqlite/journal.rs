//! The statements of the journal. Each function runs in a transaction that has the lock of the file.

use std::time::Duration;

use async_trait::async_trait;
use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, Journal, JournalError, JournalScope, Settled, Settlement, Unsettled,
    model::MachineAction,
};
use rusqlite::{Connection, Error, OptionalExtension, Result, Row, ffi::SQLITE_CONSTRAINT_UNIQUE, params};

use super::SqliteStore;
use crate::{
    StoreError,
    journal::{
        NewEntry, NewOutcome, Prune, SUBMITTED, StoredEntry, StoredIntended, StoredSettled, StoredUnsettled, TakeOver,
        last,
    },
};

#[async_trait]
impl Journal for SqliteStore {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> std::result::Result<Intended, JournalError> {
        let new = NewEntry::new(key, intent, holder, lease)?;
        let found = self.writer.run("cannot write an intent", move |db, now| intend(db, &new, now)).await?;
        Ok(found.read(key, &self.writer.name())?)
    }

    async fn settle(
        &self,
        key: &EntryKey,
        holder: Holder,
        outcome: &Settlement,
    ) -> std::result::Result<Settled, JournalError> {
        let new = NewOutcome::new(key, holder, outcome)?;
        let found = self.writer.run("cannot write an outcome", move |db, now| settle(db, &new, now)).await?;
        Ok(found.read(key, outcome, &self.writer.name())?)
    }

    async fn finish(&self, key: &EntryKey, record: &MachineAction) -> std::result::Result<(), JournalError> {
        let (text, key) = (last(key, record)?, key.as_str().to_owned());
        Ok(self.writer.run("cannot write the end of an action", move |db, now| finish(db, &key, &text, now)).await?)
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> std::result::Result<Vec<Unsettled>, JournalError> {
        let order = TakeOver::new(scope, holder, lease, at_most);
        let taken = self.writer.run("cannot take over entries", move |db, now| take_over(db, &order, now)).await?;
        Ok(StoredUnsettled::read_all(&taken, &self.writer.name())?)
    }

    async fn entry(&self, key: &EntryKey) -> std::result::Result<Option<Entry>, JournalError> {
        let text = key.as_str().to_owned();
        let found = self.writer.run("cannot read an entry", move |db, _now| entry(db, &text)).await?;
        Ok(found.map(|entry| entry.read(key, &self.writer.name())).transpose()?)
    }
}

impl SqliteStore {
    /// Deletes old entries of the journal, and returns their number: entries that were settled before this time and are not needed any more.
    ///
    /// | entry | is deleted |
    /// |---|---|
    /// | not sent, refused | once it is older than `older_than` |
    /// | submitted, and its end was seen | once its end is older than `older_than` |
    /// | submitted, and no process has seen its end | once it is also older than 180 days, after which the service has no record |
    /// | intended, unknown | never: a recovery or a person decides |
    ///
    /// A key that was deleted may be used again, so that `older_than` is the time for which a second request with a key must not be sent:
    /// 30 days are a good choice. A tenant with an intended entry that is about as old is left as it is, since the recovery of that entry
    /// must not take an action for its own: run [`recover_pending`](defender_actions::DefenderClient::recover_pending) before.
    ///
    /// # Errors
    ///
    /// The file cannot be written. Some entries may be deleted.
    pub async fn prune_entries(&self, older_than: Duration) -> std::result::Result<u64, StoreError> {
        let order = Prune::new(older_than);
        let (mut all, mut next) = (0_u64, Some(Place::FIRST));
        // In parts, so that intents get their turn in between.
        while let Some(from) = next {
            let deleted;
            (deleted, next) =
                self.writer.run("cannot delete old entries", move |db, now| prune(db, order, from, now)).await?;
            all = all.saturating_add(deleted);
        }
        Ok(all)
    }
}

/// Place of an entry in the order of the retention: the time of its outcome, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(i64, i64);

impl Place {
    const FIRST: Self = Self(i64::MIN, i64::MIN);
    const LAST: Self = Self(i64::MAX, i64::MAX);
}

fn intend(db: &Connection, new: &NewEntry, now: i64) -> Result<StoredIntended> {
    let holder = new.holder.to_be_bytes();
    let written = db
        .prepare_cached(
            "insert into entry (key, api, tenant, state, intent, version, holder, lease_until, intended_at) \
             values (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8) \
             on conflict (key) do update set api = excluded.api, tenant = excluded.tenant, state = 0, intent = excluded.intent, \
             version = excluded.version, holder = excluded.holder, lease_until = excluded.lease_until, tries = 0, \
             action_id = null, origin = null, outcome = null, last = null, intended_at = excluded.intended_at, \
             settled_at = null, finished_at = null where entry.state in (2, 3)",
        )?
        .execute(params![
            new.key,
            new.scope.api,
            new.scope.tenant,
            new.intent,
            new.version,
            holder,
            now.saturating_add(new.lease),
            now
        ])?;
    if written > 0 {
        return Ok(StoredIntended::New);
    }
    let mut statement =
        db.prepare_cached("select intent, outcome, last, state = 0 and holder = ?2 from entry where key = ?1")?;
    statement.query_row(params![new.key, holder], |row| {
        let is_mine: bool = row.get(3)?;
        Ok(if is_mine { StoredIntended::Mine } else { StoredIntended::Existing(stored(row)?) })
    })
}

fn settle(db: &Connection, new: &NewOutcome, now: i64) -> Result<StoredSettled> {
    let written = db
        .prepare_cached(
            "update entry set state = ?3, outcome = ?4, origin = ?5, action_id = ?6, settled_at = ?7 where key = ?1 \
             and (state = 0 and (holder = ?2 or ?3 = ?8) or state in (2, 3, 4) and ?3 = ?8)",
        )?
        .execute(params![
            new.key,
            new.holder.to_be_bytes(),
            new.state,
            new.text,
            new.origin,
            new.action_id,
            now,
            SUBMITTED
        ]);
    match written {
        Err(Error::SqliteFailure(error, _)) if error.extended_code == SQLITE_CONSTRAINT_UNIQUE => {
            let mut statement = db.prepare_cached(
                "select other.key from entry join entry other on other.api = entry.api and other.tenant = entry.tenant \
                 and other.action_id = ?2 and other.origin in (1, 3) where entry.key = ?1",
            )?;
            return statement
                .query_row(params![new.key, new.action_id], |row| row.get(0).map(StoredSettled::ClaimedBy));
        }
        written => {
            if written? > 0 {
                return Ok(StoredSettled::Done);
            }
        }
    }
    let mut statement = db.prepare_cached("select outcome from entry where key = ?1")?;
    let outcome: Option<Option<String>> = statement.query_row([&new.key], |row| row.get(0)).optional()?;
    Ok(outcome.flatten().map_or(StoredSettled::NotHeld, StoredSettled::Settled))
}

fn finish(db: &Connection, key: &str, last: &str, now: i64) -> Result<()> {
    db.prepare_cached("update entry set last = ?2, finished_at = ?3 where key = ?1 and last is not ?2")?
        .execute(params![key, last, now])
        .map(drop)
}

fn take_over(db: &Connection, order: &TakeOver, now: i64) -> Result<Vec<StoredUnsettled>> {
    let scope = &order.scope;
    let mut free = db.prepare_cached(
        "select id, key, intent, tries + 1 from entry where state = 0 and lease_until <= ?1 and api = ?2 and tenant = ?3 \
         and version <= ?4 order by lease_until, key limit ?5",
    )?;
    let mut take = db.prepare_cached("update entry set holder = ?2, lease_until = ?3, tries = ?4 where id = ?1")?;
    let free = free.query_map(params![now, scope.api, scope.tenant, TakeOver::VERSION, order.at_most], |row| {
        let entry = StoredUnsettled { key: row.get(1)?, intent: row.get(2)?, tries: row.get(3)? };
        Ok((row.get(0)?, entry))
    })?;
    let free: Vec<(i64, StoredUnsettled)> = free.collect::<Result<_>>()?;
    for (id, entry) in &free {
        take.execute(params![id, order.holder.to_be_bytes(), now.saturating_add(order.lease), entry.tries])?;
    }
    Ok(free.into_iter().map(|(_, entry)| entry).collect())
}

fn entry(db: &Connection, key: &str) -> Result<Option<StoredEntry>> {
    db.prepare_cached("select intent, outcome, last from entry where key = ?1")?.query_row([key], stored).optional()
}

/// The entries of the next part, from a place on.
const PART: &str = "select settled_at, id from entry indexed by entry_settled where state in (1, 2, 3) \
     and (settled_at, id) >= (?1, ?2) and settled_at < ?3 order by settled_at, id limit 1 offset ?4";
/// Deletes what is not needed of a part. The first comparison of the age has an index, and follows from the second.
const PRUNE: &str = "delete from entry where id in (select e.id from entry e indexed by entry_settled where e.state in (1, 2, 3) \
     and (e.settled_at, e.id) >= (?1, ?2) and (e.settled_at, e.id) < (?3, ?4) and e.settled_at < ?5 \
     and max(e.settled_at, coalesce(e.finished_at, 0)) < ?5 and (e.state <> 1 or e.last is not null or e.settled_at < ?6) \
     and not exists (select 1 from entry o where o.state = 0 and o.api = e.api and o.tenant = e.tenant and o.intended_at < ?7))";

/// Looks at a bounded number of entries from a place on. Returns the number of those that it has deleted, and the place of the next part.
fn prune(db: &Connection, order: Prune, from: Place, now: i64) -> Result<(u64, Option<Place>)> {
    let before = |age: i64| now.saturating_sub(age);
    let next = db
        .prepare_cached(PART)?
        .query_row(params![from.0, from.1, before(order.age), Prune::AT_MOST], |row| {
            Ok(Place(row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let to = next.unwrap_or(Place::LAST);
    let deleted = db.prepare_cached(PRUNE)?.execute(params![
        from.0,
        from.1,
        to.0,
        to.1,
        before(order.age),
        before(order.unfinished),
        before(order.open)
    ])?;
    Ok((u64::try_from(deleted).unwrap_or(u64::MAX), next))
}

fn stored(row: &Row<'_>) -> Result<StoredEntry> {
    Ok(StoredEntry { intent: row.get(0)?, outcome: row.get(1)?, last: row.get(2)? })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::sqlite::writer::tests::{almost_full, close, store};

    fn intent(comment: &str) -> Intent {
        let form = json!({
            "machine_id": "m1", "action_type": "Isolate", "body": {"Comment": comment}, "earliest": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(form).unwrap()
    }

    #[tokio::test]
    async fn full_disk_fails_the_intent_alone() {
        let (path, writer) = store(|_, connection| almost_full(connection)).await;
        let store = SqliteStore { writer: Arc::new(writer) };
        let (large, small) = (EntryKey::new("large").unwrap(), EntryKey::new("small").unwrap());
        let (large_intent, small_intent) = (intent(&"c".repeat(100_000)), intent("c"));
        let lease = Duration::from_secs(60);
        let (failed, written) = tokio::join!(
            store.intend(&large, &large_intent, Holder::generate(), lease),
            store.intend(&small, &small_intent, Holder::generate(), lease)
        );
        let error = failed.unwrap_err().to_string();
        assert!(error.starts_with("cannot write an intent: SQLite at "), "{error}");
        assert!(error.ends_with("the disk is full (database or disk is full); free space and repeat"), "{error}");
        assert_eq!(written.unwrap(), Intended::New);
        assert_eq!(store.entry(&large).await.unwrap(), None);
        assert!(store.entry(&small).await.unwrap().is_some());
        close(&path, Arc::into_inner(store.writer).unwrap());
    }

    #[tokio::test]
    async fn read_only_file_takes_no_intent() {
        let (path, writer) =
            store(|path, _| Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap())
                .await;
        let store = SqliteStore { writer: Arc::new(writer) };
        let key = EntryKey::new("first").unwrap();
        let error = store.intend(&key, &intent("c"), Holder::generate(), Duration::ZERO).await.unwrap_err().to_string();
        assert!(error.contains("the file is read-only") && error.contains("allow this user"), "{error}");
        close(&path, Arc::into_inner(store.writer).unwrap());
    }

    /// Fills the journal with settled entries of one state.
    fn fill(db: &Connection, state: i32, count: i64) {
        let fill = "insert into entry (key, api, tenant, state, intent, version, holder, lease_until, intended_at, settled_at) \
            with recursive n (i) as (select 1 union all select i + 1 from n where i < ?2) \
            select ?1 || '-' || i, 'api', 'tenant', ?1, '{}', 2, randomblob(16), 0, 0, 1 + i / 700 from n";
        db.execute(fill, params![state, count]).unwrap();
    }

    /// A retention that scanned the table would have the lock of the file meanwhile.
    #[tokio::test]
    async fn retention_uses_its_index() {
        let (path, writer) = store(|_, connection| {
            for statement in [PART, PRUNE] {
                let mut plan = connection.prepare(&format!("explain query plan {statement}")).unwrap();
                let count = plan.parameter_count();
                let steps = plan.query_map(rusqlite::params_from_iter(vec![1_i64; count]), |row| row.get(3)).unwrap();
                let steps: Vec<String> = steps.map(Result::unwrap).collect();
                assert!(steps.iter().any(|step| step.contains("USING INDEX entry_settled (settled_at>")), "{steps:?}");
                assert!(steps.iter().all(|step| !step.starts_with("SCAN entry") && step != "SCAN e"), "{steps:?}");
            }
            connection
        })
        .await;
        close(&path, writer);
    }

    /// A part that deletes nothing is not the last one.
    #[tokio::test]
    async fn retention_walks_in_bounded_parts() {
        let (path, writer) = store(|_, connection| {
            // Those that no process has seen end come first, and stay.
            fill(&connection, 1, 2_400);
            fill(&connection, 2, 1_800);
            let (order, now) = (Prune::new(Duration::from_secs(1)), 10_000_000);
            let (mut from, mut parts) = (Place::FIRST, Vec::new());
            loop {
                let (deleted, next) = prune(&connection, order, from, now).unwrap();
                assert!(i64::try_from(deleted).unwrap() <= Prune::AT_MOST);
                parts.push(deleted);
                let Some(next) = next else { break };
                from = next;
            }
            assert_eq!((parts.len(), parts.iter().sum::<u64>()), (5, 1_800), "{parts:?}");
            let left: i64 = connection.query_row("select count(*) from entry", [], |row| row.get(0)).unwrap();
            assert_eq!(left, 2_400);
            connection
        })
        .await;
        close(&path, writer);
    }
}
