//! The contract of [`Journal`].

mod actions;
mod bench;
mod entries;
mod leases;
mod races;
mod repeats;
mod states;

use std::{sync::Arc, time::Duration};

use defender_actions::{Journal, transport::Clock};
use futures_util::future::BoxFuture;

use self::bench::Bench;
use super::verdict::{Checked, Stop, Verdict, tried};

/// The suite of [`Journal`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::{sync::Arc, time::Duration};
///
/// use defender_actions::{MemoryJournal, transport::SystemClock};
/// use defender_store::conformance::JournalSuite;
///
/// let clock = SystemClock::new();
/// let journal = MemoryJournal::new(clock);
/// // Two processes are two handles of one journal.
/// let suite = JournalSuite::new(vec![Arc::new(journal.clone()), Arc::new(journal)], clock);
/// let verdict = suite.unit(Duration::from_millis(100)).run_at_once().await;
/// assert!(verdict.holds(), "{verdict}");
/// # }
/// ```
#[derive(Debug)]
pub struct JournalSuite {
    journals: Vec<Arc<dyn Journal>>,
    clock: Arc<dyn Clock>,
    unit: Duration,
}

type Clause = (&'static str, for<'a> fn(&'a Bench<'a>) -> BoxFuture<'a, Result<(), Stop>>);

const CLAUSES: &[Clause] = super::verdict::clauses! {
    states:
        new_key_is_new intended_key_is_mine_for_its_holder intended_key_exists_for_others submitted_key_exists unknown_key_exists
        key_without_effect_is_new_again key_in_use_keeps_its_intent settle_needs_an_entry holder_settles_each_outcome
        other_holder_settles_submitted_alone submitted_is_final knowledge_replaces_each_outcome other_outcomes_are_final
        holder_of_a_used_key_has_it_no_more;
    repeats:
        repeated_outcome_is_done repeated_intent_changes_nothing repeated_claim_stays_claimed record_of_the_end_is_kept
        later_record_replaces_the_earlier end_of_an_unknown_key_is_ignored;
    actions:
        action_is_of_one_entry recovered_action_is_claimed_too claimed_entry_may_end_as_unknown letter_case_of_an_action_is_ignored
        joined_action_is_shared unknown_entry_claims_too scopes_have_actions_of_their_own ended_action_stays_claimed;
    leases:
        running_entry_is_left_alone ended_lease_is_taken_over oldest_lease_comes_first at_most_is_kept settled_entries_are_left_alone
        other_scopes_are_left_alone former_holder_has_it_no_more late_outcome_of_former_holder_counts new_lease_ends_too
        used_key_has_a_new_lease;
    entries:
        entry_is_returned_as_written unicode_and_long_keys_differ unknown_key_has_no_entry large_intent_is_kept
        intent_without_scope_is_kept older_intent_is_kept thousand_entries_are_kept;
    races:
        one_of_many_intents_is_new one_holder_is_new_once one_of_many_reuses_is_new one_of_many_claims_wins
        knowledge_wins_in_any_order four_askers_take_over_each_entry_once;
};

impl JournalSuite {
    /// Creates the suite of a journal. Several journals are handles on the same data, as several processes have; the handles of a journal
    /// of one process are clones.
    ///
    /// The clock is the clock of the journal, or runs at the same speed. A manual clock must advance by itself in
    /// [`sleep`](Clock::sleep).
    #[must_use]
    pub fn new(journals: Vec<Arc<dyn Journal>>, clock: impl Clock + 'static) -> Self {
        Self { journals, clock: Arc::new(clock), unit: Duration::from_secs(1) }
    }

    /// Sets the length of the shortest lease: a second, if not set. The longest clause takes four.
    #[must_use]
    pub fn unit(mut self, unit: Duration) -> Self {
        self.unit = unit;
        self
    }

    /// Checks the clauses one after the other.
    pub async fn run(&self) -> Verdict {
        Verdict::in_turn(CLAUSES.iter().map(|clause| self.check(clause))).await
    }

    /// Checks all clauses at once, for a journal in real time.
    pub async fn run_at_once(&self) -> Verdict {
        Verdict::at_once(CLAUSES.iter().map(|clause| self.check(clause))).await
    }

    async fn check(&self, (name, clause): &Clause) -> Checked {
        let attempt = |unit| async move { clause(&Bench::new(&self.journals, self.clock.as_ref(), unit, name)).await };
        tried(name, self.unit, "leases", attempt).await
    }
}
