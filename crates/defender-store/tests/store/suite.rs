//! The suite, on the store in memory and on SQLite.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use defender_store::{SqliteStore, conformance::QuotaSuite};
use defender_transport::{
    EndedPermit, MemoryQuotaStore, PermitOutcome, PermitRequest, Permits, QuotaStore, QuotaStoreError, SystemClock,
    extensions::{QuotaKey, RateLimit},
};

use super::{clock::SteppingClock, folder::Folder};

#[tokio::test]
async fn memory_store_keeps_the_contract() {
    let clock = SteppingClock::default();
    let store = MemoryQuotaStore::new(clock.clone());
    let verdict = QuotaSuite::new(vec![Arc::new(store.clone()), Arc::new(store)], clock).run().await;
    assert!(verdict.holds(), "{verdict}");
    assert!(verdict.clauses().count() > 30);
}

#[tokio::test]
async fn sqlite_store_keeps_the_contract() {
    let (folder, clock) = (Folder::new(), SteppingClock::default());
    let handle = || async { SqliteStore::open_with_clock(folder.file(), clock.clone()).await.unwrap() };
    let (first, second) = (handle().await, handle().await);
    let verdict = QuotaSuite::new(vec![Arc::new(first), Arc::new(second)], clock.clone()).run().await;
    assert!(verdict.holds(), "{verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_store_keeps_contract_in_real_time() {
    let folder = Folder::new();
    let (first, second) =
        (SqliteStore::open(folder.file()).await.unwrap(), SqliteStore::open(folder.file()).await.unwrap());
    let suite = QuotaSuite::new(vec![Arc::new(first), Arc::new(second)], SystemClock::new());
    let verdict = suite.unit(Duration::from_millis(400)).run_at_once().await;
    assert!(verdict.holds(), "{verdict}");
}

/// A store that breaks one clause, as the suite must notice.
#[derive(Debug)]
struct Broken {
    store: MemoryQuotaStore,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    IgnoresHold,
    IgnoresRefusals,
    ReportsTheEndNow,
    TakesNeverSentForAnswered,
    UsesTheFirstLimitAlone,
    ForgetsTheWait,
    GrantsOneMore,
}

#[async_trait]
impl QuotaStore for Broken {
    async fn reserve(&self, request: &PermitRequest<'_>) -> Result<Permits, QuotaStoreError> {
        let mut request = *request;
        let raised: Vec<_> =
            request.limits.iter().map(|limit| RateLimit { calls: limit.calls + 1, ..*limit }).collect();
        match self.fault {
            Fault::IgnoresHold => request.hold = Duration::ZERO,
            Fault::UsesTheFirstLimitAlone => request.limits = &request.limits[..request.limits.len().min(1)],
            Fault::GrantsOneMore => request.limits = &raised,
            _ => {}
        }
        let mut permits = self.store.reserve(&request).await?;
        if self.fault == Fault::ForgetsTheWait {
            permits.retry_after = permits.retry_after.map(|wait| wait * 2 + Duration::from_secs(1));
        }
        Ok(permits)
    }

    async fn release(&self, key: &QuotaKey, ended: &[EndedPermit]) -> Result<(), QuotaStoreError> {
        let mut ended = ended.to_vec();
        for end in &mut ended {
            match (self.fault, end.outcome) {
                (Fault::ReportsTheEndNow, _) => end.ago = Duration::ZERO,
                (Fault::IgnoresRefusals, PermitOutcome::Refused { .. })
                | (Fault::TakesNeverSentForAnswered, PermitOutcome::NeverSent) => end.outcome = PermitOutcome::Answered,
                _ => {}
            }
        }
        self.store.release(key, &ended).await
    }
}

#[tokio::test]
async fn suite_notices_each_fault() {
    for (fault, clause) in [
        (Fault::IgnoresHold, "unreleased_permit_lapses"),
        (Fault::IgnoresRefusals, "refusal_closes_the_key"),
        (Fault::ReportsTheEndNow, "end_counts_and_not_report"),
        (Fault::TakesNeverSentForAnswered, "never_sent_frees_at_once"),
        (Fault::UsesTheFirstLimitAlone, "all_limits_apply"),
        (Fault::ForgetsTheWait, "retry_after_is_never_too_long"),
        (Fault::GrantsOneMore, "limit_is_kept"),
    ] {
        let clock = SteppingClock::default();
        let store = Broken { store: MemoryQuotaStore::new(clock.clone()), fault };
        let verdict = QuotaSuite::new(vec![Arc::new(store)], clock).run().await;
        assert!(verdict.failures().any(|(name, _)| name == clause), "{fault:?}: {verdict}");
    }
}
