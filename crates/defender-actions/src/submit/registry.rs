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
    submit::{
        expected::Expected,
        expiring_map::ExpiringMap,
        reconcile::compare_comments,
        record_facts::{created, lower_id},
        submission::Submission,
    },
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
    /// Holders of records, by the id of the record in lower case.
    claims: ExpiringMap<Holder>,
    /// Records by the time of the first response that showed them.
    seen: ExpiringMap<()>,
    /// Open submissions by the hash of their machine, and by their number.
    open: BTreeMap<(MachineHash, u64), Open>,
    /// Random key of the hashes.
    key: RandomState,
    /// Submissions without a known outcome, in the order in which they ended.
    unsettled: VecDeque<(SignedDuration, (MachineHash, u64))>,
    next: u64,
}

/// Submission that holds a record.
#[derive(Clone, Debug)]
struct Holder {
    number: u64,
    /// Submission that was recovered. It, and another recovery of it, may have the same record.
    recovered: Option<Arc<Expected>>,
}

/// Submission that is in flight, is being searched for, or ended without a known outcome.
#[derive(Debug)]
struct Open {
    expected: Arc<Expected>,
    note: Arc<CallNote>,
    phase: Phase,
    is_recovery: bool,
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
    expected: Arc<Expected>,
    /// The submission is that of an earlier request, whose action is being searched for.
    is_recovery: bool,
    settled: AtomicBool,
}

impl SubmissionRegistry {
    /// Opens a submission.
    pub(crate) fn open(&self, expected: &Arc<Expected>) -> InFlight {
        self.open_as(expected, false)
    }

    /// Opens the recovery of a submission.
    pub(crate) fn open_recovery(&self, expected: &Arc<Expected>) -> InFlight {
        self.open_as(expected, true)
    }

    fn open_as(&self, expected: &Arc<Expected>, is_recovery: bool) -> InFlight {
        let note = Arc::<CallNote>::default();
        let mut state = self.state();
        let number = state.next;
        state.next = number.wrapping_add(1);
        let machine = expected.submission.machine_hash(&state.key);
        let (own, phase) = (Arc::clone(expected), Phase::InFlight);
        state.open.insert((machine, number), Open { expected: own, note: Arc::clone(&note), phase, is_recovery });
        drop(state);
        let (registry, expected, settled) = (self.clone(), Arc::clone(expected), AtomicBool::new(false));
        InFlight { registry, machine, number, note, expected, is_recovery, settled }
    }

    /// Records that a response at `now` showed these records. `service_now` is the same moment on the service's clock.
    pub(crate) fn saw(&self, actions: &[MachineAction], now: Moment, service_now: Timestamp) {
        let is_young = |created: Timestamp| service_now.duration_since(created) < YOUNG;
        for action in actions.iter().filter(|action| created(action).is_none_or(is_young)) {
            self.state().seen.get_or_insert(lower_id(&action.id), (), now.elapsed, SEEN_LIFETIME);
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

    /// Returns whether this is the recovery of an earlier request.
    pub(crate) fn is_recovery(&self) -> bool {
        self.is_recovery
    }

    /// Returns the send times of the submission's attempts.
    pub(crate) fn send_times(&self) -> &SendTimes {
        &self.note.send_times
    }

    /// Records that the response was lost.
    pub(crate) fn lost(&self) {
        self.change(|open| open.phase = Phase::Lost);
    }

    /// Records that a second request will be sent. The first one has no outcome, also if the second never leaves.
    pub(crate) fn resend(&self) {
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
        let recovered = self.is_recovery.then(|| Arc::clone(&self.expected));
        let ours = Holder { number: self.number, recovered };
        self.may_share(state.claims.get_or_insert(lower_id(id), ours, now.elapsed, CLAIM_LIFETIME))
    }

    /// Returns whether another submission holds the record.
    pub(crate) fn is_claimed_by_another(&self, id: &ActionId) -> bool {
        self.registry.state().claims.get(&lower_id(id)).is_some_and(|(holder, _)| !self.may_share(holder))
    }

    /// Returns whether this submission has the record of a holder: it is the holder, or the holder recovered it.
    fn may_share(&self, holder: &Holder) -> bool {
        let is_ours = |recovered: &Arc<Expected>| is_same(&recovered.submission, &self.expected.submission);
        holder.number == self.number || holder.recovered.as_ref().is_some_and(is_ours)
    }

    /// Returns whether a response showed the record before `first_attempt`. The first attempt of a recovery is dated by a wall clock,
    /// perhaps of another computer, which clears no record.
    pub(crate) fn was_seen_before(&self, id: &ActionId, first_attempt: Moment) -> bool {
        !self.is_recovery()
            && self.registry.state().seen.get(&lower_id(id)).is_some_and(|((), at)| *at < first_attempt.elapsed)
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
            // A recovery is no twin of its own submission, whose future may have been dropped, nor of another recovery of this.
            let are_not_both_requests =
                matches!(open.phase, Phase::Unsettled(_)) || open.is_recovery || self.is_recovery();
            let is_itself = are_not_both_requests && is_same(&open.expected.submission, submission);
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

/// Returns whether two submissions are of one intent. What is stored with an intent, such as its tenant, does not distinguish it.
fn is_same(one: &Submission, other: &Submission) -> bool {
    let (intent, others) = (one.intent(), other.intent());
    one.is_for(other.machine_id(), other.action_type())
        && (intent.earliest, intent.latest()) == (others.earliest, others.latest())
        && (one.comment(), one.external_id()) == (other.comment(), other.external_id())
        && !intent.differs_in_particulars(others)
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
