//! The journal: each request is one call of a function.

use std::time::Duration;

use async_trait::async_trait;
use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, Journal, JournalError, JournalScope, Settled, Settlement, Unsettled,
    model::MachineAction,
};
use tokio_postgres::{Error, Row, types::Type};
use uuid::Uuid;

use super::{connection::Statement, store::PostgresStore};
use crate::{
    StoreError,
    journal::{
        NewEntry, NewOutcome, Prune, StoredEntry, StoredIntended, StoredSettled, StoredUnsettled, TakeOver, last,
    },
};

#[async_trait]
impl Journal for PostgresStore {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        let new = NewEntry::new(key, intent, holder, lease)?;
        let statement = Statement::new("cannot write an intent", &self.journal.intend)
            .with(Type::TEXT, new.key)
            .with(Type::TEXT, new.scope.api)
            .with(Type::TEXT, new.scope.tenant)
            .with(Type::TEXT, new.intent)
            .with(Type::INT4, new.version)
            .with(Type::UUID, Uuid::from_u128(new.holder))
            .with(Type::INT8, new.lease);
        let row = self.connections.call(statement).await?;
        Ok(self.decoded(intended(&row))?.read(key, self.connections.name())?)
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        let new = NewOutcome::new(key, holder, outcome)?;
        let statement = Statement::new("cannot write an outcome", &self.journal.settle)
            .with(Type::TEXT, new.key)
            .with(Type::UUID, Uuid::from_u128(new.holder))
            .with(Type::INT4, new.state)
            .with(Type::TEXT, new.text)
            .with(Type::INT4, new.origin)
            .with(Type::TEXT, new.action_id);
        let row = self.connections.call(statement).await?;
        Ok(self.decoded(settled(&row))?.read(key, outcome, self.connections.name())?)
    }

    async fn finish(&self, key: &EntryKey, record: &MachineAction) -> Result<(), JournalError> {
        let statement = Statement::new("cannot write the end of an action", &self.journal.finish)
            .with(Type::TEXT, key.as_str().to_owned())
            .with(Type::TEXT, last(key, record)?);
        self.connections.call(statement).await?;
        Ok(())
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        let order = TakeOver::new(scope, holder, lease, at_most);
        let statement = Statement::new("cannot take over entries", &self.journal.take_over)
            .with(Type::TEXT, order.scope.api)
            .with(Type::TEXT, order.scope.tenant)
            .with(Type::UUID, Uuid::from_u128(order.holder))
            .with(Type::INT8, order.lease)
            .with(Type::INT8, order.at_most)
            .with(Type::INT4, i32::try_from(TakeOver::VERSION).unwrap_or(i32::MAX))
            .told_of_repeat();
        let rows = self.connections.rows(statement).await?;
        let taken = rows.iter().map(|row| self.decoded(unsettled(row))).collect::<Result<Vec<_>, _>>()?;
        Ok(StoredUnsettled::read_all(&taken, self.connections.name())?)
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        let statement =
            Statement::new("cannot read an entry", &self.journal.entry).with(Type::TEXT, key.as_str().to_owned());
        let rows = self.connections.rows(statement).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(self.decoded(stored(row, 0))?.read(key, self.connections.name())?))
    }
}

impl PostgresStore {
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
    /// The server does not respond, or refuses. Some entries may be deleted.
    pub async fn prune_entries(&self, older_than: Duration) -> Result<u64, StoreError> {
        let order = Prune::new(older_than);
        let mut all = 0_u64;
        // In parts, each of which is done within the time of a request.
        loop {
            let statement = Statement::new("cannot delete old entries", &self.journal.prune)
                .with(Type::INT8, order.age)
                .with(Type::INT8, order.unfinished)
                .with(Type::INT8, order.open)
                .with(Type::INT8, Prune::AT_MOST);
            let row = self.connections.call(statement).await?;
            let deleted: i64 = self.decoded(row.try_get(0))?;
            if deleted == 0 {
                return Ok(all);
            }
            all = all.saturating_add(u64::try_from(deleted).unwrap_or_default());
        }
    }
}

fn intended(row: &Row) -> Result<StoredIntended, Error> {
    Ok(match row.try_get::<_, i32>(0)? {
        0 => StoredIntended::New,
        1 => StoredIntended::Mine,
        _ => StoredIntended::Existing(stored(row, 1)?),
    })
}

fn settled(row: &Row) -> Result<StoredSettled, Error> {
    Ok(match row.try_get::<_, i32>(0)? {
        0 => StoredSettled::Done,
        1 => StoredSettled::ClaimedBy(row.try_get(1)?),
        2 => StoredSettled::Settled(row.try_get(1)?),
        _ => StoredSettled::NotHeld,
    })
}

fn unsettled(row: &Row) -> Result<StoredUnsettled, Error> {
    let tries: i32 = row.try_get(2)?;
    Ok(StoredUnsettled { key: row.try_get(0)?, intent: row.try_get(1)?, tries: i64::from(tries) })
}

/// Reads an entry whose columns begin here.
fn stored(row: &Row, first: usize) -> Result<StoredEntry, Error> {
    let (outcome, last) = (first.saturating_add(1), first.saturating_add(2));
    Ok(StoredEntry { intent: row.try_get(first)?, outcome: row.try_get(outcome)?, last: row.try_get(last)? })
}
