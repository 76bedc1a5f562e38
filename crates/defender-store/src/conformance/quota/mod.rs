//! The contract of [`QuotaStore`].

mod bench;
mod gate;
mod judge;
mod limits;
mod repeats;
mod slots;

use std::{sync::Arc, time::Duration};

use defender_transport::{Clock, QuotaStore};
use futures_util::future::BoxFuture;

use self::bench::Bench;
use super::verdict::{Checked, Stop, Verdict, tried};

pub use judge::fullest_window;

/// The suite of [`QuotaStore`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::{sync::Arc, time::Duration};
///
/// use defender_store::conformance::QuotaSuite;
/// use defender_transport::{MemoryQuotaStore, SystemClock};
///
/// let clock = SystemClock::new();
/// let store = MemoryQuotaStore::new(clock);
/// // Two processes are two handles of one store.
/// let suite = QuotaSuite::new(vec![Arc::new(store.clone()), Arc::new(store)], clock);
/// let verdict = suite.unit(Duration::from_millis(100)).run_at_once().await;
/// assert!(verdict.holds(), "{verdict}");
/// # }
/// ```
#[derive(Debug)]
pub struct QuotaSuite {
    stores: Vec<Arc<dyn QuotaStore>>,
    clock: Arc<dyn Clock>,
    unit: Duration,
}

type Clause = (&'static str, for<'a> fn(&'a Bench<'a>) -> BoxFuture<'a, Result<(), Stop>>);

const CLAUSES: &[Clause] = super::verdict::clauses! {
    limits:
        limit_is_kept all_limits_apply grants_are_the_first zero_calls_count_as_one no_limit_grants_all keys_are_independent
        each_ask_has_its_own_limits slots_are_kept_for_longest_limit concurrent_askers_keep_the_limit;
    slots:
        slot_is_taken_until_after_end end_counts_and_not_report never_sent_frees_at_once unreleased_permit_lapses
        released_permit_does_not_lapse late_release_is_ignored retry_after_is_never_too_long;
    repeats:
        repeated_ask_is_granted_again repeated_ask_takes_no_slot concurrent_repeats_share_permits
        repeated_release_has_no_effect unknown_permit_is_ignored ended_permit_needs_a_new_slot;
    gate:
        refusal_closes_the_key refusal_closes_for_all_handles probe_is_granted_alone answered_probe_opens
        unanswered_probe_is_followed_by_another never_sent_probe_is_followed_by_another refused_probe_closes_again
        lapsed_probe_is_followed_by_another only_the_probe_opens refusal_during_probe_outlives_it shorter_refusal_keeps_the_longer
        refusal_of_unknown_permit_closes repeated_ask_of_probe_is_granted refusal_in_the_batch_of_the_probe_closes;
};

impl QuotaSuite {
    /// Creates the suite of a store. Several stores are handles on the same data, as several processes have.
    ///
    /// The clock is the clock of the store, or runs at the same speed. A manual clock must advance by itself in
    /// [`sleep`](Clock::sleep).
    #[must_use]
    pub fn new(stores: Vec<Arc<dyn QuotaStore>>, clock: impl Clock + 'static) -> Self {
        Self { stores, clock: Arc::new(clock), unit: Duration::from_secs(1) }
    }

    /// Sets the length of the shortest window: a second, if not set. The longest clause takes five.
    #[must_use]
    pub fn unit(mut self, unit: Duration) -> Self {
        self.unit = unit;
        self
    }

    /// Checks the clauses one after the other.
    pub async fn run(&self) -> Verdict {
        Verdict::in_turn(CLAUSES.iter().map(|clause| self.check(clause))).await
    }

    /// Checks all clauses at once, for a store in real time.
    pub async fn run_at_once(&self) -> Verdict {
        Verdict::at_once(CLAUSES.iter().map(|clause| self.check(clause))).await
    }

    async fn check(&self, (name, clause): &Clause) -> Checked {
        let attempt = |unit| async move { clause(&Bench::new(&self.stores, self.clock.as_ref(), unit, name)).await };
        tried(name, self.unit, "windows", attempt).await
    }
}
