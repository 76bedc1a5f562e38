//! Registry of a client's submissions: unsettled submissions, claimed records, and records seen before a submission.

use std::{
    collections::HashMap,
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
    submit::{expiring_map::ExpiringMap, reconcile::compare_comments},
};

/// Lifetime of a claim. A recovery that starts later finds fewer claimed records.
const CLAIM_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Lifetime of an unsettled submission.
const UNSETTLED_LIFETIME: SignedDuration = SignedDuration::from_hours(4);

/// Minimum time between the end of one submission and the start of a like one, so that the creation of a record shows which of the
/// two made it: the longest attempt, the visibility timeout, and 15 minutes by which clocks may differ.
const TWIN_DISTANCE: SignedDuration = SignedDuration::from_mins(20);

/// Lifetime of a seen id. A record whose id has expired blocks a second request, which is the safe side.
const SEEN_LIFETIME: SignedDuration = SignedDuration::from_mins(30);

/// Age up to which seen records are stored. The creation of an older record already excludes it.
const YOUNG: SignedDuration = SignedDuration::from_mins(20);

/// Submissions of a client and its clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubmissionRegistry(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Number of the submission that holds a record.
    claims: ExpiringMap<ActionId, u64>,
    /// Records by the time of the first response that showed them.
    seen: ExpiringMap<ActionId, ()>,
    /// Open submissions by machine and type.
    open: HashMap<String, Vec<Open>>,
    next: u64,
}

/// Submission that is in flight, is being searched for, or ended without a known outcome.
#[derive(Debug)]
struct Open {
    number: u64,
    intent: Arc<Intent>,
    send_times: SendTimes,
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

/// Submission of this client until its outcome is known.
#[derive(Debug)]
pub(crate) struct InFlight {
    registry: SubmissionRegistry,
    key: String,
    number: u64,
    send_times: SendTimes,
    settled: AtomicBool,
}

impl SubmissionRegistry {
    /// Opens a submission.
    pub(crate) fn open(&self, intent: &Arc<Intent>) -> InFlight {
        let send_times = SendTimes::default();
        let mut state = self.state();
        let number = state.next;
        state.next = number.wrapping_add(1);
        let open = Open { number, intent: Arc::clone(intent), send_times: send_times.clone(), phase: Phase::InFlight };
        let key = key(intent);
        state.open.entry(key.clone()).or_default().push(open);
        drop(state);
        InFlight { registry: self.clone(), key, number, send_times, settled: AtomicBool::new(false) }
    }

    /// Records that a response at `now` showed this record. `service_now` is the same moment on the service's clock.
    pub(crate) fn saw(&self, action: &MachineAction, now: Moment, service_now: Timestamp) {
        let is_young = |created: Timestamp| service_now.duration_since(created) < YOUNG;
        if action.creation_date_time_utc.is_none_or(is_young) {
            self.state().seen.get_or_insert(&action.id, (), now.elapsed, SEEN_LIFETIME);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    /// Returns the send times of the submission's attempts.
    pub(crate) fn send_times(&self) -> &SendTimes {
        &self.send_times
    }

    /// Records that the response was lost.
    pub(crate) fn lost(&self) {
        self.change(|open| open.phase = Phase::Lost);
    }

    /// Records that a second request will be sent.
    pub(crate) fn resend(&self) {
        self.send_times.forget();
        self.change(|open| open.phase = Phase::InFlight);
    }

    fn change(&self, change: impl FnOnce(&mut Open)) {
        let mut state = self.registry.state();
        let open = state.open.get_mut(&self.key);
        if let Some(open) = open.and_then(|open| open.iter_mut().find(|open| open.number == self.number)) {
            change(open);
        }
    }

    /// Records that the outcome is known.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Claims a record unless another submission holds it. Returns whether this submission holds it.
    pub(crate) fn claim(&self, id: &ActionId, now: Moment) -> bool {
        let mut state = self.registry.state();
        *state.claims.get_or_insert(id, self.number, now.elapsed, CLAIM_LIFETIME) == self.number
    }

    /// Returns whether another submission holds the record.
    pub(crate) fn is_claimed_by_another(&self, id: &ActionId) -> bool {
        self.registry.state().claims.get(id).is_some_and(|(holder, _)| *holder != self.number)
    }

    /// Returns whether a response showed the record before `first_attempt`.
    pub(crate) fn was_seen_before(&self, id: &ActionId, first_attempt: Moment) -> bool {
        self.registry.state().seen.get(id).is_some_and(|((), at)| *at < first_attempt.elapsed)
    }

    /// Returns whether a rival exists at `now`: another submission for the same machine and type, with the same comment and other
    /// particulars, that is in flight or unsettled.
    pub(crate) fn has_rival(&self, intent: &Intent, now: Moment) -> bool {
        self.any_other(intent, now, |open| open.intent.differs_in_particulars(intent))
    }

    /// Returns whether a twin exists at `now`: another submission with the same comment and particulars that was sent at about the
    /// same time and has no known outcome. A record without our generated id may be the record of the twin.
    pub(crate) fn has_twin(&self, intent: &Intent, now: Moment) -> bool {
        self.any_other(intent, now, |open| {
            // A recovered intent is not a twin of its own dropped future.
            let is_itself = matches!(open.phase, Phase::Unsettled(_)) && *open.intent == *intent;
            !is_itself && may_overlap(&open.intent, intent) && !open.intent.differs_in_particulars(intent)
        })
    }

    fn any_other(&self, intent: &Intent, now: Moment, matches: impl Fn(&Open) -> bool) -> bool {
        let state = self.registry.state();
        let is_match = |open: &Open| {
            open.number != self.number
                && !open.is_expired(now.elapsed)
                && open.send_times.last().is_some()
                && compare_comments(open.intent.comment(), intent.comment()) == Match::Same
                && matches(open)
        };
        state.open.get(&self.key).is_some_and(|open| open.iter().any(is_match))
    }
}

impl Open {
    /// Returns whether the submission has expired at `now`.
    fn is_expired(&self, now: SignedDuration) -> bool {
        matches!(self.phase, Phase::Unsettled(since) if now.saturating_sub(since) >= UNSETTLED_LIFETIME)
    }
}

/// Returns whether the record of one submission may have been created in the time of the other.
fn may_overlap(one: &Intent, other: &Intent) -> bool {
    let began_in_time = |late: &Intent, early: &Intent| late.earliest.duration_since(early.latest()) <= TWIN_DISTANCE;
    began_in_time(one, other) && began_in_time(other, one)
}

fn key(intent: &Intent) -> String {
    format!("{} {}", intent.machine_id, intent.action_type).to_ascii_lowercase()
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let unsettled = self.send_times.last().filter(|_| !self.settled.load(Ordering::Relaxed));
        let mut state = self.registry.state();
        let Some(open) = state.open.get_mut(&self.key) else { return };
        if let Some(last_sent) = unsettled {
            // Rare: the future was dropped, or the outcome stayed unknown.
            for open in open.iter_mut().filter(|open| open.number == self.number) {
                open.phase = Phase::Unsettled(last_sent.elapsed);
            }
            for open in state.open.values_mut() {
                open.retain(|open| !open.is_expired(last_sent.elapsed));
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
    fn record_is_claimed_once() {
        let registry = SubmissionRegistry::default();
        let (first, second) = (registry.open(&intent("Full", "c")), registry.open(&intent("Full", "c")));
        assert!(first.claim(&id("a"), at(0)) && first.claim(&id("a"), at(1)));
        assert!(!second.claim(&id("a"), at(2)));
        assert!(second.is_claimed_by_another(&id("a")) && !first.is_claimed_by_another(&id("a")));
        first.settle();
        assert!(second.is_claimed_by_another(&id("a")), "a claim outlives its submission");
    }

    #[test]
    fn claims_last_a_day() {
        let registry = SubmissionRegistry::default();
        let (first, second) = (registry.open(&intent("Full", "c")), registry.open(&intent("Full", "c")));
        assert!(first.claim(&id("a"), at(0)));
        for number in 0..5_000 {
            assert!(second.claim(&id(&format!("b{number}")), at(23 * 3_600)));
        }
        assert!(second.is_claimed_by_another(&id("a")), "the claim is forgotten too early");
    }

    #[test]
    fn rival_is_sent_and_unsettled() {
        let registry = SubmissionRegistry::default();
        let ours = intent("Full", "c");
        let in_flight = registry.open(&ours);
        let rival = registry.open(&intent("Selective", " c\r\n"));
        assert!(!in_flight.has_rival(&ours, at(1)), "no attempt was sent");
        rival.send_times().left(at(1));
        assert!(in_flight.has_rival(&ours, at(1)) && !in_flight.has_twin(&ours, at(1)));
        rival.lost();
        assert!(in_flight.has_rival(&ours, at(1)));
        drop(rival);
        assert!(in_flight.has_rival(&ours, at(4 * 3_600)) && !in_flight.has_rival(&ours, at(4 * 3_600 + 1)));
        let settled = registry.open(&intent("Selective", "c"));
        settled.send_times().left(at(4 * 3_600 + 1));
        settled.settle();
        drop(settled);
        assert!(!in_flight.has_rival(&ours, at(4 * 3_600 + 1)));
    }

    #[test]
    fn twin_is_like_and_unsettled() {
        let registry = SubmissionRegistry::default();
        let ours = intent("Full", "c");
        let in_flight = registry.open(&ours);
        let twin = registry.open(&valid_from(1, "Full", "c"));
        assert!(!in_flight.has_twin(&ours, at(1)), "no attempt was sent");
        twin.send_times().left(at(1));
        assert!(in_flight.has_twin(&ours, at(1)) && !in_flight.has_rival(&ours, at(1)));
        twin.lost();
        assert!(in_flight.has_twin(&ours, at(1)));
        drop(twin);
        assert!(in_flight.has_twin(&ours, at(4 * 3_600)), "it stays a twin for any length of the search");
        assert!(!in_flight.has_twin(&ours, at(4 * 3_600 + 1)));
        let settled = registry.open(&valid_from(2, "Full", "c"));
        settled.send_times().left(at(4 * 3_600 + 1));
        settled.settle();
        drop(settled);
        assert!(!in_flight.has_twin(&ours, at(4 * 3_600 + 1)));
    }

    #[test]
    fn distant_submissions_are_not_twins() {
        let has_twin = |other: i64| {
            let registry = SubmissionRegistry::default();
            let ours = valid_from(7_200, "Full", "c");
            let in_flight = registry.open(&ours);
            let twin = registry.open(&valid_from(other, "Full", "c"));
            twin.send_times().left(at(other));
            drop(twin);
            in_flight.has_twin(&ours, at(9_000))
        };
        assert!(has_twin(7_200 - 1_500) && !has_twin(7_200 - 1_501));
        assert!(has_twin(7_200 + 1_500) && !has_twin(7_200 + 1_501));
    }
}
