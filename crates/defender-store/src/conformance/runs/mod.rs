//! The contract of [`RunStore`].

mod bench;
mod claims;
mod departures;
mod halts;
mod races;
mod repeats;
mod retries;
mod rows;
mod waves;
mod writes;

use std::{sync::Arc, time::Duration};

use defender_transport::Clock;
use futures_util::future::BoxFuture;

use self::bench::Bench;
use super::verdict::{Checked, Stop, Verdict, tried};
use crate::RunStore;

/// The suite of [`RunStore`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::{sync::Arc, time::Duration};
///
/// use defender_store::{MemoryRunStore, conformance::RunSuite};
/// use defender_transport::SystemClock;
///
/// let clock = SystemClock::new();
/// let store = MemoryRunStore::new(clock);
/// // Two processes are two handles of one store.
/// let suite = RunSuite::new(vec![Arc::new(store.clone()), Arc::new(store)], clock);
/// let verdict = suite.unit(Duration::from_millis(100)).run_at_once().await;
/// assert!(verdict.holds(), "{verdict}");
/// # }
/// ```
#[derive(Debug)]
pub struct RunSuite {
    stores: Vec<Arc<dyn RunStore>>,
    clock: Arc<dyn Clock>,
    unit: Duration,
}

type Clause = (&'static str, for<'a> fn(&'a Bench<'a>) -> BoxFuture<'a, Result<(), Stop>>);

const CLAUSES: &[Clause] = super::verdict::clauses! {
    rows:
        new_run_is_planned existing_run_is_unchanged unknown_run_is_none newest_runs_come_first rows_come_in_parts
        documents_are_returned_as_written run_without_rows_is_kept thousand_rows_are_kept;
    claims:
        claimed_rows_come_in_order at_most_is_kept_by_claims held_row_is_left_alone ended_lease_frees_the_row rows_under_way_come_first
        ended_rows_are_never_claimed renewed_lease_begins_anew renewal_counts_open_rows_of_the_worker runs_are_independent;
    waves:
        wave_begins_after_the_one_before unknown_rows_end_a_wave planned_row_keeps_its_wave_open row_of_any_wave_is_claimed_under_way;
    departures:
        departed_row_is_sending departure_needs_the_worker departure_needs_a_row_before_its_request departed_row_may_depart_again
        former_worker_does_not_depart departure_needs_the_attempt ended_lease_leaves_the_row_to_its_worker;
    writes:
        each_state_is_written write_needs_the_worker write_needs_the_attempt ended_row_is_final planned_row_is_free_again put_back_row_is_not_renewed
        submitted_row_is_held document_is_replaced;
    halts:
        halted_run_departs_no_row halted_run_claims_no_planned_row first_reason_stays reopened_run_goes_on
        failures_halt_the_run unknown_rows_count_as_failures failures_count_anew_after_reopening halted_run_is_reported_by_each_write
        halt_of_an_unknown_run_is_ignored no_limit_never_halts;
    retries:
        failed_rows_are_planned_again other_rows_are_not_retried retried_row_has_no_worker retried_failures_count_no_more;
    repeats:
        repeated_write_is_done repeated_departure_goes_again repeated_halt_and_reopening_change_nothing
        repeated_retry_changes_nothing;
    races:
        askers_claim_each_row_once one_of_many_creates_the_run concurrent_failures_halt_the_run
        no_row_departs_after_a_halt concurrent_writes_are_counted;
};

impl RunSuite {
    /// Creates the suite of a store. Several stores are handles on the same data, as several processes have.
    ///
    /// The clock is the clock of the store, or runs at the same speed. A manual clock must advance by itself in
    /// [`sleep`](Clock::sleep).
    #[must_use]
    pub fn new(stores: Vec<Arc<dyn RunStore>>, clock: impl Clock + 'static) -> Self {
        Self { stores, clock: Arc::new(clock), unit: Duration::from_secs(1) }
    }

    /// Sets the length of the shortest lease: a second, if not set. The longest clause takes three.
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
        let attempt = |unit| async move { clause(&Bench::new(&self.stores, self.clock.as_ref(), unit)).await };
        tried(name, self.unit, "leases", attempt).await
    }
}
