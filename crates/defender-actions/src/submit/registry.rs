//! Registry of a client's submissions: unsettled submissions, claimed records, and records seen before a submission.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::RandomState,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use defender_model::{ActionId, MachineAction, Match};
use jiff::{SignedDuration, Timestamp};

use crate::{
    Intent,
    client::{
        call_note::{CallNote, SendTimes},
        service_clock::Moment,
    },
    submit::{expected::Expected, expiring_map::ExpiringMap, reconcile::compare_comments, submission::Submission},
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
    /// Open submissions by the hash of their machine, and by their number.
    open: BTreeMap<(MachineHash, u64), Open>,
    /// Random key of the hashes.
    key: RandomState,
    /// Submissions without a known outcome, in the order in which they ended.
    unsettled: VecDeque<(SignedDuration, (MachineHash, u64))>,
    next: u64,
}

/// Submission that is in flight, is being searched for, or ended without a known outcome.
#[derive(Debug)]
struct Open {
    expected: Arc<Expected>,
    note: Arc<CallNote>,
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
    machine: MachineHash,
    number: u64,
    note: Arc<CallNote>,
    settled: AtomicBool,
}

impl SubmissionRegistry {
    /// Opens a submission.
    pub(crate) fn open(&self, expected: &Arc<Expected>) -> InFlight {
        let note = Arc::<CallNote>::default();
        let mut state = self.state();
        let number = state.next;
        state.next = number.wrapping_add(1);
        let machine = expected.submission.machine_hash(&state.key);
        let open = Open { expected: Arc::clone(expected), note: Arc::clone(&note), phase: Phase::InFlight };
        state.open.insert((machine, number), open);
        drop(state);
        InFlight { registry: self.clone(), machine, number, note, settled: AtomicBool::new(false) }
    }

    /// Records that a response at `now` showed these records. `service_now` is the same moment on the service's clock.
    pub(crate) fn saw(&self, actions: &[MachineAction], now: Moment, service_now: Timestamp) {
        let is_young = |created: Timestamp| service_now.duration_since(created) < YOUNG;
        for action in actions.iter().filter(|action| action.creation_date_time_utc.is_none_or(is_young)) {
            self.state().seen.get_or_insert(&action.id, (), now.elapsed, SEEN_LIFETIME);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hash of a machine id, in lower case. It costs no allocation; submissions with equal hashes are compared.
type MachineHash = u64;

impl InFlight {
    /// Returns the note of the submission's calls.
    pub(crate) fn note(&self) -> &Arc<CallNote> {
        &self.note
    }

    /// Returns the send times of the submission's attempts.
    pub(crate) fn send_times(&self) -> &SendTimes {
        &self.note.send_times
    }

    /// Records that the response was lost.
    pub(crate) fn lost(&self) {
        self.change(|open| open.phase = Phase::Lost);
    }

    /// Records that a second request will be sent.
    pub(crate) fn resend(&self) {
        self.send_times().forget();
        self.change(|open| open.phase = Phase::InFlight);
    }

    fn change(&self, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.registry.state().open.get_mut(&(self.machine, self.number)) {
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
    pub(crate) fn has_rival(&self, submission: &Submission, now: Moment) -> bool {
        self.any_other(submission, now, |open| open.intent().differs_in_particulars(submission.intent()))
    }

    /// Returns whether a twin exists at `now`: another submission with the same comment and particulars that was sent at about the
    /// same time and has no known outcome. A record without our generated id may be the record of the twin.
    pub(crate) fn has_twin(&self, submission: &Submission, now: Moment) -> bool {
        self.any_other(submission, now, |open| {
            let (theirs, ours) = (open.intent(), submission.intent());
            // A recovered intent is not a twin of its own dropped future.
            let is_itself = matches!(open.phase, Phase::Unsettled(_)) && *theirs == **ours;
            !is_itself && may_overlap(theirs, ours) && !theirs.differs_in_particulars(ours)
        })
    }

    fn any_other(&self, submission: &Submission, now: Moment, matches: impl Fn(&Open) -> bool) -> bool {
        let state = self.registry.state();
        let is_match = |(&(_, number), open): (&(MachineHash, u64), &Open)| {
            number != self.number
                && !open.is_expired(now.elapsed)
                && open.note.send_times.last().is_some()
                && open.expected.submission.is_for(submission.machine_id(), submission.action_type())
                && compare_comments(open.expected.submission.comment(), submission.comment()) == Match::Same
                && matches(open)
        };
        state.open.range((self.machine, 0)..=(self.machine, u64::MAX)).any(is_match)
    }
}

impl Open {
    fn intent(&self) -> &Intent {
        self.expected.submission.intent()
    }

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

impl Drop for InFlight {
    fn drop(&mut self) {
        let last_sent = self.send_times().last().filter(|_| !self.settled.load(Ordering::Relaxed));
        let mut state = self.registry.state();
        let key = (self.machine, self.number);
        let Some(last_sent) = last_sent else { return drop(state.open.remove(&key)) };
        let now = last_sent.elapsed;
        if let Some(open) = state.open.get_mut(&key) {
            open.phase = Phase::Unsettled(now);
        }
        state.unsettled.push_back((now, key));
        // Each is removed once, so that 10,000 lost responses do not walk 10,000 entries each.
        while let Some(&(since, key)) = state.unsettled.front()
            && now.saturating_sub(since) >= UNSETTLED_LIFETIME
        {
            state.unsettled.pop_front();
            state.open.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
