//! The suite, on the journals of the facade and on SQLite.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, Journal, JournalError, JournalScope, JsonlJournal, MemoryJournal,
    Settled, Settlement, Unsettled, model::MachineAction,
};
use defender_store::{SqliteStore, conformance::JournalSuite};
use defender_transport::SystemClock;

use crate::{clock::SteppingClock, folder::Folder};

#[tokio::test]
async fn memory_journal_keeps_the_contract() {
    let clock = SteppingClock::default();
    let journal = MemoryJournal::new(clock.clone());
    let verdict = JournalSuite::new(vec![Arc::new(journal.clone()), Arc::new(journal)], clock).run().await;
    assert!(verdict.holds(), "{verdict}");
    assert!(verdict.clauses().count() > 45);
}

/// A file is of one process: its handles are clones.
#[tokio::test]
async fn jsonl_journal_keeps_the_contract() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let journal = JsonlJournal::open_with_clock(folder.path().join("actions.jsonl"), clock.clone()).unwrap();
    let verdict = JournalSuite::new(vec![Arc::new(journal.clone()), Arc::new(journal)], clock).run().await;
    assert!(verdict.holds(), "{verdict}");
}

#[tokio::test]
async fn sqlite_journal_keeps_the_contract() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let handle = || async { SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap() };
    let (first, second) = (handle().await, handle().await);
    let verdict = JournalSuite::new(vec![Arc::new(first), Arc::new(second)], clock.clone()).run().await;
    assert!(verdict.holds(), "{verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_journal_keeps_contract_in_real_time() {
    let folder = Folder::new();
    let (first, second) =
        (SqliteStore::open(folder.file()).await.unwrap(), SqliteStore::open(folder.file()).await.unwrap());
    let suite = JournalSuite::new(vec![Arc::new(first), Arc::new(second)], SystemClock::new());
    let verdict = suite.unit(Duration::from_millis(400)).run_at_once().await;
    assert!(verdict.holds(), "{verdict}");
}

/// A journal that breaks one clause, as the suite must notice.
#[derive(Debug)]
struct Broken {
    journal: MemoryJournal,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    IgnoresTheHolder,
    HasNoLease,
    LeaseIsForEver,
    TakesMineForExisting,
    LosesTheLastRecord,
    LosesTheTicket,
    ClaimsOfAllScopes,
    EveryoneIsTheHolder,
    JoinedActionIsClaimed,
    ActionIsNotClaimed,
    ReturnsMoreThanAsked,
}

#[async_trait]
impl Journal for Broken {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        let mut intent = intent.clone();
        let (mut holder, mut lease) = (holder, lease);
        match self.fault {
            Fault::IgnoresTheHolder => holder = Holder::from_u128(1),
            Fault::HasNoLease => lease = Duration::ZERO,
            Fault::LeaseIsForEver => lease = Duration::from_secs(1_000_000),
            Fault::LosesTheTicket => intent.ticket = None,
            Fault::ClaimsOfAllScopes => intent.tenant_id = Some("tenant".to_owned()),
            _ => {}
        }
        let intended = self.journal.intend(key, &intent, holder, lease).await?;
        Ok(match (self.fault, intended) {
            (Fault::TakesMineForExisting, Intended::Mine) => {
                Intended::Existing(Box::new(self.journal.entry(key).await?.unwrap()))
            }
            (_, intended) => intended,
        })
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        use defender_actions::Origin::{Created, Joined};

        let mut holder = holder;
        if matches!(self.fault, Fault::IgnoresTheHolder | Fault::EveryoneIsTheHolder) {
            // It works for whoever has the entry.
            holder = Holder::from_u128(1);
        }
        let mut outcome = outcome.clone();
        if let Settlement::Submitted { origin, .. } = &mut outcome {
            match (self.fault, *origin) {
                (Fault::JoinedActionIsClaimed, Joined) => *origin = Created,
                (Fault::ActionIsNotClaimed, Created) => *origin = Joined,
                _ => {}
            }
        }
        self.journal.settle(key, holder, &outcome).await
    }

    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError> {
        if self.fault == Fault::LosesTheLastRecord {
            return Ok(());
        }
        self.journal.finish(key, last).await
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        let scope = match self.fault {
            Fault::ClaimsOfAllScopes => JournalScope::new(scope.api.clone(), "tenant"),
            _ => scope.clone(),
        };
        let at_most = if self.fault == Fault::ReturnsMoreThanAsked { at_most.saturating_add(1) } else { at_most };
        self.journal.claim_unsettled(&scope, holder, lease, at_most).await
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        self.journal.entry(key).await
    }
}

#[tokio::test]
async fn suite_notices_each_fault() {
    for (fault, clause) in [
        (Fault::IgnoresTheHolder, "intended_key_exists_for_others"),
        (Fault::HasNoLease, "running_entry_is_left_alone"),
        (Fault::LeaseIsForEver, "ended_lease_is_taken_over"),
        (Fault::TakesMineForExisting, "intended_key_is_mine_for_its_holder"),
        (Fault::LosesTheLastRecord, "record_of_the_end_is_kept"),
        (Fault::LosesTheTicket, "entry_is_returned_as_written"),
        (Fault::ClaimsOfAllScopes, "other_scopes_are_left_alone"),
        (Fault::EveryoneIsTheHolder, "holder_settles_each_outcome"),
        (Fault::JoinedActionIsClaimed, "joined_action_is_shared"),
        (Fault::ActionIsNotClaimed, "action_is_of_one_entry"),
        (Fault::ReturnsMoreThanAsked, "at_most_is_kept"),
    ] {
        let clock = SteppingClock::default();
        let journal = Broken { journal: MemoryJournal::new(clock.clone()), fault };
        let verdict = JournalSuite::new(vec![Arc::new(journal)], clock).run().await;
        assert!(verdict.failures().any(|(name, _)| name == clause), "{fault:?}: {verdict}");
    }
}
