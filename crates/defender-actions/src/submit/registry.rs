//! The submissions of a client: which are unsettled, which records they hold, and which records were seen before them.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use defender_model::{ActionId, MachineAction, Match};
use jiff::{SignedDuration, Timestamp};

use crate::{
    Intent,
    client::{send_times::SendTimes, service_clock::Moment},
    submit::reconcile::compare_comments,
};

/// A claim is kept for so long. An intent can be recovered later than that, and finds fewer records claimed then.
const CLAIM_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// An unsettled submission is kept for so long.
const UNSETTLED_KEPT: SignedDuration = SignedDuration::from_hours(4);

/// Two like submissions are told apart by the creation of their records if one began so long after the end of the other: the
/// longest attempt, the grace, and 15 minutes by which clocks may be apart.
const TWINS_APART: SignedDuration = SignedDuration::from_mins(20);

/// An id that was seen is kept for so long. What is forgotten blocks a second request, which is the safe side.
const SEEN_KEPT: SignedDuration = SignedDuration::from_mins(30);

/// A record older than this is told by its creation, so nobody need remember it.
const YOUNG: SignedDuration = SignedDuration::from_mins(20);

/// At most so many claims and ids seen are kept each.
const MOST: usize = 65_536;

/// The submissions of a client and its clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubmissionRegistry(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Which submission holds which record.
    claims: Kept<ActionId, u64>,
    /// When a response first showed a record.
    seen: Kept<ActionId, ()>,
    /// By machine and type.
    open: HashMap<String, Vec<Open>>,
    next: u64,
}

/// A submission that is in flight, is looked for, or ended without a known outcome.
#[derive(Debug)]
struct Open {
    number: u64,
    intent: Arc<Intent>,
    departure: SendTimes,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No response yet.
    InFlight,
    /// The response was lost.
    Lost,
    /// The future was dropped, or the outcome stayed unknown.
    Unsettled(SignedDuration),
}

/// A submission of this client, until its outcome is known.
#[derive(Debug)]
pub(crate) struct InFlight {
    claimed: SubmissionRegistry,
    key: String,
    number: u64,
    departure: SendTimes,
    settled: AtomicBool,
}

impl SubmissionRegistry {
    /// Opens a submission.
    pub(crate) fn open(&self, intent: &Arc<Intent>) -> InFlight {
        let departure = SendTimes::default();
        let mut state = self.state();
        let number = state.next;
        state.next = number.wrapping_add(1);
        let open = Open { number, intent: Arc::clone(intent), departure: departure.clone(), phase: Phase::InFlight };
        let key = key(intent);
        state.open.entry(key.clone()).or_default().push(open);
        drop(state);
        InFlight { claimed: self.clone(), key, number, departure, settled: AtomicBool::new(false) }
    }

    /// Notes that a response at `now` has shown this record. `service_now` is the same moment on the service's clock.
    pub(crate) fn saw(&self, action: &MachineAction, now: Moment, service_now: Timestamp) {
        let is_young = |created: Timestamp| service_now.duration_since(created) < YOUNG;
        if action.creation_date_time_utc.is_none_or(is_young) {
            self.state().seen.insert_first(&action.id, (), now.elapsed, SEEN_KEPT);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    /// Notes when the attempts of the submission leave.
    pub(crate) fn departure(&self) -> &SendTimes {
        &self.departure
    }

    /// Notes that the response was lost.
    pub(crate) fn lost(&self) {
        self.change(|open| open.phase = Phase::Lost);
    }

    /// Notes that a second request is about to be sent.
    pub(crate) fn again(&self) {
        self.departure.forget();
        self.change(|open| open.phase = Phase::InFlight);
    }

    fn change(&self, change: impl FnOnce(&mut Open)) {
        let mut state = self.claimed.state();
        let open = state.open.get_mut(&self.key);
        if let Some(open) = open.and_then(|open| open.iter_mut().find(|open| open.number == self.number)) {
            change(open);
        }
    }

    /// Notes that the outcome is known.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Claims a record, unless another submission holds it.
    pub(crate) fn claim(&self, id: &ActionId, now: Moment) -> bool {
        let mut state = self.claimed.state();
        *state.claims.insert_first(id, self.number, now.elapsed, CLAIM_KEPT) == self.number
    }

    /// Whether another submission holds the record.
    pub(crate) fn is_claimed_by_another(&self, id: &ActionId) -> bool {
        self.claimed.state().claims.get(id).is_some_and(|(holder, _)| *holder != self.number)
    }

    /// Whether a response showed the record before `first_attempt`.
    pub(crate) fn was_seen_before(&self, id: &ActionId, first_attempt: Moment) -> bool {
        self.claimed.state().seen.get(id).is_some_and(|((), at)| *at < first_attempt.elapsed)
    }

    /// Whether another submission for the same machine and type, with the same comment and other particulars, is in
    /// flight or unsettled at `now`.
    pub(crate) fn has_rival(&self, intent: &Intent, now: Moment) -> bool {
        self.any_other(intent, now, |open| open.intent.differs_in_particulars(intent))
    }

    /// Whether another submission with the same comment and particulars has been sent at about the same time, and its outcome
    /// is not known at `now`: a record without our generated id may be its record.
    pub(crate) fn has_twin(&self, intent: &Intent, now: Moment) -> bool {
        self.any_other(intent, now, |open| {
            // An intent that is recovered is no twin of its own dropped future.
            let is_itself = matches!(open.phase, Phase::Unsettled(_)) && *open.intent == *intent;
            !is_itself && are_near(&open.intent, intent) && !open.intent.differs_in_particulars(intent)
        })
    }

    fn any_other(&self, intent: &Intent, now: Moment, is: impl Fn(&Open) -> bool) -> bool {
        let state = self.claimed.state();
        let concerns = |open: &Open| {
            open.number != self.number
                && !open.is_over(now.elapsed)
                && open.departure.last().is_some()
                && compare_comments(open.intent.comment(), intent.comment()) == Match::Same
                && is(open)
        };
        state.open.get(&self.key).is_some_and(|open| open.iter().any(concerns))
    }
}

impl Open {
    /// Whether it is forgotten at `now`.
    fn is_over(&self, now: SignedDuration) -> bool {
        matches!(self.phase, Phase::Unsettled(since) if now.saturating_sub(since) >= UNSETTLED_KEPT)
    }
}

/// Whether the record of one submission may have been created in the time of the other.
fn are_near(one: &Intent, other: &Intent) -> bool {
    let began_in_time = |late: &Intent, early: &Intent| late.earliest.duration_since(early.latest()) <= TWINS_APART;
    began_in_time(one, other) && began_in_time(other, one)
}

fn key(intent: &Intent) -> String {
    format!("{} {}", intent.machine_id, intent.action_type).to_ascii_lowercase()
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let unsettled = self.departure.last().filter(|_| !self.settled.load(Ordering::Relaxed));
        let mut state = self.claimed.state();
        let Some(open) = state.open.get_mut(&self.key) else { return };
        if let Some(left) = unsettled {
            // Rare: a future was dropped, or an outcome stayed unknown.
            for open in open.iter_mut().filter(|open| open.number == self.number) {
                open.phase = Phase::Unsettled(left.elapsed);
            }
            for open in state.open.values_mut() {
                open.retain(|open| !open.is_over(left.elapsed));
            }
            state.open.retain(|_, open| !open.is_empty());
        } else {
            open.retain(|open| open.number != self.number);
            if open.is_empty() {
                state.open.remove(&self.key);
            }
        }
    }
}

/// A map that forgets what is old, in constant time an insertion on average.
#[derive(Debug)]
struct Kept<K, V> {
    map: HashMap<K, (V, SignedDuration)>,
    sweep_at: usize,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { map: HashMap::new(), sweep_at: 1_024 }
    }
}

impl<K: Hash + Eq + Clone, V> Kept<K, V> {
    fn get(&self, key: &K) -> Option<&(V, SignedDuration)> {
        self.map.get(key)
    }

    /// Inserts `value` unless there is one, and gives what is there then.
    fn insert_first(&mut self, key: &K, value: V, now: SignedDuration, kept: SignedDuration) -> &V {
        if self.map.len() >= self.sweep_at {
            self.sweep(now, kept);
        }
        &self.map.entry(key.clone()).or_insert((value, now)).0
    }

    /// Forgets what is older than `kept`, and the older half where that is not enough.
    fn sweep(&mut self, now: SignedDuration, kept: SignedDuration) {
        self.map.retain(|_, (_, at)| now.saturating_sub(*at) < kept);
        if self.map.len() > MOST / 2 {
            let mut ages: Vec<_> = self.map.values().map(|(_, at)| *at).collect();
            let middle = ages.len() / 2;
            let (_, median, _) = ages.select_nth_unstable(middle);
            let median = *median;
            self.map.retain(|_, (_, at)| *at > median);
        }
        self.sweep_at = self.map.len().saturating_mul(2).clamp(1_024, MOST);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn intent(kind: &str, comment: &str) -> Arc<Intent> {
        valid_from(0, kind, comment)
    }

    /// Valid for 300 s.
    fn valid_from(second: i64, kind: &str, comment: &str) -> Arc<Intent> {
        let valid = (at(second).wall, std::time::Duration::from_secs(300));
        let body = json!({"Comment": comment, "IsolationType": kind});
        Arc::new(Intent::new(&"m1".parse().unwrap(), "Isolate", body, false, valid))
    }

    fn at(second: i64) -> Moment {
        Moment { wall: Timestamp::from_second(second).unwrap(), elapsed: SignedDuration::from_secs(second) }
    }

    fn id(id: &str) -> ActionId {
        id.parse().unwrap()
    }

    #[test]
    fn record_is_claimed_by_one_submission() {
        let claimed = SubmissionRegistry::default();
        let (first, second) = (claimed.open(&intent("Full", "c")), claimed.open(&intent("Full", "c")));
        assert!(first.claim(&id("a"), at(0)) && first.claim(&id("a"), at(1)));
        assert!(!second.claim(&id("a"), at(2)));
        assert!(second.is_claimed_by_another(&id("a")) && !first.is_claimed_by_another(&id("a")));
        first.settle();
        assert!(second.is_claimed_by_another(&id("a")), "a claim outlives its submission");
    }

    #[test]
    fn claims_last_a_day_among_many() {
        let claimed = SubmissionRegistry::default();
        let (first, second) = (claimed.open(&intent("Full", "c")), claimed.open(&intent("Full", "c")));
        assert!(first.claim(&id("a"), at(0)));
        for number in 0..5_000 {
            assert!(second.claim(&id(&format!("b{number}")), at(23 * 3_600)));
        }
        assert!(second.is_claimed_by_another(&id("a")), "the claim is forgotten too early");
    }

    #[test]
    fn rival_is_one_that_left_and_is_not_settled() {
        let claimed = SubmissionRegistry::default();
        let ours = intent("Full", "c");
        let asking = claimed.open(&ours);
        let rival = claimed.open(&intent("Selective", " c\r\n"));
        assert!(!asking.has_rival(&ours, at(1)), "nothing of it has left");
        rival.departure().left(at(1));
        assert!(asking.has_rival(&ours, at(1)) && !asking.has_twin(&ours, at(1)));
        rival.lost();
        assert!(asking.has_rival(&ours, at(1)));
        drop(rival);
        assert!(asking.has_rival(&ours, at(4 * 3_600)) && !asking.has_rival(&ours, at(4 * 3_600 + 1)));
        let settled = claimed.open(&intent("Selective", "c"));
        settled.departure().left(at(4 * 3_600 + 1));
        settled.settle();
        drop(settled);
        assert!(!asking.has_rival(&ours, at(4 * 3_600 + 1)));
    }

    #[test]
    fn twin_is_a_like_submission_without_outcome() {
        let claimed = SubmissionRegistry::default();
        let ours = intent("Full", "c");
        let asking = claimed.open(&ours);
        let twin = claimed.open(&valid_from(1, "Full", "c"));
        assert!(!asking.has_twin(&ours, at(1)), "nothing of it has left");
        twin.departure().left(at(1));
        assert!(asking.has_twin(&ours, at(1)) && !asking.has_rival(&ours, at(1)));
        twin.lost();
        assert!(asking.has_twin(&ours, at(1)));
        drop(twin);
        assert!(asking.has_twin(&ours, at(4 * 3_600)), "it stays one, however long the search for its record takes");
        assert!(!asking.has_twin(&ours, at(4 * 3_600 + 1)));
        let settled = claimed.open(&valid_from(2, "Full", "c"));
        settled.departure().left(at(4 * 3_600 + 1));
        settled.settle();
        drop(settled);
        assert!(!asking.has_twin(&ours, at(4 * 3_600 + 1)));
    }

    #[test]
    fn like_submissions_of_other_times_are_told_apart() {
        let has_twin = |other: i64| {
            let claimed = SubmissionRegistry::default();
            let ours = valid_from(7_200, "Full", "c");
            let asking = claimed.open(&ours);
            let twin = claimed.open(&valid_from(other, "Full", "c"));
            twin.departure().left(at(other));
            drop(twin);
            asking.has_twin(&ours, at(9_000))
        };
        assert!(has_twin(7_200 - 1_500) && !has_twin(7_200 - 1_501));
        assert!(has_twin(7_200 + 1_500) && !has_twin(7_200 + 1_501));
    }

    #[test]
    fn old_entries_are_forgotten_in_bounded_memory() {
        let mut kept = Kept::default();
        for number in 0..200_000_i64 {
            kept.insert_first(&number, (), SignedDuration::from_secs(number), SignedDuration::from_hours(1_000));
        }
        assert!(kept.map.len() <= MOST && kept.get(&199_999).is_some() && kept.get(&0).is_none());
        kept.insert_first(&-1, (), SignedDuration::from_hours(2_000), SignedDuration::from_hours(1));
        kept.sweep(SignedDuration::from_hours(2_000), SignedDuration::from_hours(1));
        assert_eq!(kept.map.len(), 1);
    }
}
