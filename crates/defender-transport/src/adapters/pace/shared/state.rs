//! The calls that wait for a permit, and the ends that the store does not know.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use super::SEND_WITHIN;
use crate::{
    extensions::RateLimit,
    quota::{EndedPermit, PermitId, PermitOutcome, Permits, QuotaStoreError},
};

/// Largest number of permits in one ask.
const BATCH: usize = 64;
/// Largest number of ends in one report.
const REPORT: usize = 256;
/// Shortest time between two asks, for a store that names no time.
const ASK_AGAIN: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
pub(super) struct State {
    /// Waiting calls by number, which is the order in which they came.
    waiting: VecDeque<Waiting>,
    /// Results of an ask by the number of the call, until the call takes its result.
    results: BTreeMap<u64, Result<Permit, Arc<QuotaStoreError>>>,
    /// Number of the next call.
    next: u64,
    /// One of the calls asks the store.
    is_asking: bool,
    /// Time before which the store grants no permit, unless a slot is given back.
    retry_at: Duration,
    /// A slot was given back, and the store may not have known this when it decided on the ask.
    is_freed: bool,
    /// Ends of calls that the store does not know yet.
    ended: Vec<Ended>,
}

/// Place of a call in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    number: u64,
    permit: PermitId,
    deadline: Duration,
}

#[derive(Debug)]
struct Waiting {
    place: Place,
    waker: Waker,
    /// Time of the first ask for the permit, if the store may have granted it. The permit lapses from this time on, and a repeat
    /// of the ask does not extend it.
    asked_at: Option<Duration>,
}

/// Permission to send one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permit {
    pub(super) id: PermitId,
    /// Time before which the request must be sent.
    pub(super) send_before: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    id: PermitId,
    outcome: PermitOutcome,
    at: Duration,
}

/// Next step of a call in the queue.
#[derive(Debug)]
pub(super) enum Step {
    /// Send the request.
    Go(Permit),
    /// The store failed.
    Failed(Arc<QuotaStoreError>),
    /// The turn does not come in time: not before this time.
    Late(Duration),
    /// Ask the store for these permits.
    Ask(Vec<Place>),
    /// Wait until this time, or until woken.
    Wait(Duration),
}

impl State {
    /// Gives a new call its place.
    pub(super) fn enter(&mut self, deadline: Duration) -> Place {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        Place { number, permit: PermitId::generate(), deadline }
    }

    /// Decides on the call in this place.
    pub(super) fn step(&mut self, place: &mut Place, limits: &[RateLimit], now: Duration, waker: &Waker) -> Step {
        match self.results.remove(&place.number) {
            Some(Ok(permit)) if permit.send_before > now => return Step::Go(permit),
            Some(Ok(permit)) => {
                // The process was suspended. Another permit, in the same place.
                self.end(permit.id, PermitOutcome::NeverSent, now);
                place.permit = PermitId::generate();
            }
            Some(Err(error)) => return Step::Failed(error),
            None => {}
        }
        let index = self.register(*place, waker);
        let earliest = self.earliest(index, limits, now);
        if earliest > place.deadline || now >= place.deadline {
            return Step::Late(earliest);
        }
        if index > 0 || self.is_asking {
            return Step::Wait(place.deadline);
        }
        if self.retry_at > now {
            return Step::Wait(self.retry_at.min(place.deadline));
        }
        self.is_asking = true;
        let (mut asked, mut lapsed) = (Vec::new(), Vec::new());
        for waiting in self.waiting.iter_mut().take(BATCH) {
            if waiting.asked_at.take_if(|at| at.saturating_add(SEND_WITHIN) <= now).is_some() {
                lapsed.push(std::mem::replace(&mut waiting.place.permit, PermitId::generate()));
            }
            waiting.asked_at.get_or_insert(now);
            asked.push(waiting.place);
        }
        for id in lapsed {
            self.end(id, PermitOutcome::NeverSent, now);
        }
        Step::Ask(asked)
    }

    /// Returns the index of the call among those that wait, after adding it if it is new.
    fn register(&mut self, place: Place, waker: &Waker) -> usize {
        let index = self.waiting.partition_point(|waiting| waiting.place.number < place.number);
        match self.waiting.get_mut(index).filter(|waiting| waiting.place.number == place.number) {
            Some(waiting) => waiting.waker.clone_from(waker),
            None => self.waiting.insert(index, Waiting { place, waker: waker.clone(), asked_at: None }),
        }
        index
    }

    /// Returns a time before which the call at `index` gets no permit, even if no other process asks, unless a slot is given back.
    fn earliest(&self, index: usize, limits: &[RateLimit], now: Duration) -> Duration {
        let start = self.retry_at.max(now);
        let rounds = |limit: &RateLimit| {
            let calls = usize::try_from(limit.calls).unwrap_or(usize::MAX).max(1);
            let rounds = u32::try_from(index / calls).unwrap_or(u32::MAX);
            start.saturating_add(limit.per.saturating_mul(rounds))
        };
        limits.iter().map(rounds).fold(start, Duration::max)
    }

    /// Records the result of an ask, and returns the calls to be woken.
    pub(super) fn asked(
        &mut self,
        asked: &[Place],
        result: Result<Permits, QuotaStoreError>,
        now: Duration,
    ) -> Vec<Waker> {
        self.is_asking = false;
        let mut woken = Vec::new();
        match result {
            Ok(permits) => {
                for (index, place) in asked.iter().enumerate() {
                    let is_granted = index < permits.granted;
                    match self.waiting(place.number) {
                        Some(at) if is_granted => {
                            let asked_at = self.waiting.get(at).and_then(|call| call.asked_at).unwrap_or_default();
                            let permit = Permit { id: place.permit, send_before: asked_at.saturating_add(SEND_WITHIN) };
                            woken.extend(self.resolve(at, Ok(permit)));
                        }
                        Some(at) => self.waiting.get_mut(at).into_iter().for_each(|call| call.asked_at = None),
                        // The call was dropped meanwhile and reported its permit, perhaps to the store before the store granted it.
                        None if is_granted => self.end(place.permit, PermitOutcome::NeverSent, now),
                        None => {}
                    }
                }
                self.retry_at = match permits.retry_after {
                    _ if self.is_freed => Duration::ZERO,
                    None if permits.granted >= asked.len() => Duration::ZERO,
                    wait => now.saturating_add(wait.unwrap_or_default().max(ASK_AGAIN)),
                };
            }
            Err(error) => {
                // One failure is enough for all that it was asked for. The store may have granted their permits, also after the report
                // of a call that was dropped meanwhile.
                let error = Arc::new(error);
                for place in asked {
                    if let Some(at) = self.waiting(place.number) {
                        woken.extend(self.resolve(at, Err(Arc::clone(&error))));
                    }
                    self.end(place.permit, PermitOutcome::NeverSent, now);
                }
            }
        }
        let retry_at = self.retry_at;
        let is_late = |waiting: &&Waiting| waiting.place.deadline < retry_at;
        woken.extend(self.waiting.iter().filter(is_late).map(|waiting| waiting.waker.clone()));
        woken.extend(self.first());
        woken
    }

    /// Removes a call that waits no longer, and returns the call that is first now.
    pub(super) fn leave(&mut self, place: Place, is_asking: bool, now: Duration) -> Option<Waker> {
        if is_asking {
            self.is_asking = false;
        }
        if let Some(Ok(permit)) = self.results.remove(&place.number) {
            self.end(permit.id, PermitOutcome::NeverSent, now);
        }
        if let Some(left) = self.waiting(place.number).and_then(|index| self.waiting.remove(index))
            && left.asked_at.is_some()
        {
            self.end(left.place.permit, PermitOutcome::NeverSent, now);
        }
        self.first()
    }

    /// Records an end that the store does not know.
    pub(super) fn end(&mut self, id: PermitId, outcome: PermitOutcome, at: Duration) {
        self.ended.push(Ended { id, outcome, at });
        if outcome == PermitOutcome::NeverSent {
            // The store named its wait for a slot that is free now. The next ask reports the end first.
            (self.retry_at, self.is_freed) = (Duration::ZERO, true);
        }
    }

    /// Returns the ends to be reported `now`. Those that have lapsed in the store are forgotten.
    pub(super) fn ended(&mut self, hold: Duration, now: Duration) -> Vec<EndedPermit> {
        self.ended.retain(|ended| ended.at.saturating_add(ended.matters_for(hold)) > now);
        let ended = self.ended.iter().take(REPORT).map(|&Ended { id, outcome, at }| {
            let ago = now.saturating_sub(at);
            let outcome = match outcome {
                PermitOutcome::Refused { retry_after } => {
                    PermitOutcome::Refused { retry_after: retry_after.saturating_sub(ago) }
                }
                other => other,
            };
            EndedPermit { id, outcome, ago }
        });
        ended.collect()
    }

    /// Returns true if the store knows all ends.
    pub(super) fn is_reported(&self) -> bool {
        self.ended.is_empty()
    }

    /// Forgets the ends that the store knows. One that was recorded once more meanwhile stays. If a slot was given back, returns the
    /// call that can ask for it.
    pub(super) fn reported(&mut self, known: &[EndedPermit]) -> Option<Waker> {
        let is_freed = known.iter().any(|ended| ended.outcome == PermitOutcome::NeverSent);
        let mut known: std::collections::BTreeSet<_> = known.iter().map(|ended| ended.id).collect();
        self.ended.retain(|ended| !known.remove(&ended.id));
        self.first().filter(|_| is_freed && !self.is_asking)
    }

    /// Records that the store is asked now, which knows the reported ends.
    pub(super) fn ask_begins(&mut self) {
        self.is_freed = self.ended.iter().any(|ended| ended.outcome == PermitOutcome::NeverSent);
    }

    /// Returns true if a new state would behave in the same way.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.results.is_empty() && self.ended.is_empty()
    }

    fn first(&self) -> Option<Waker> {
        self.waiting.front().map(|first| first.waker.clone())
    }

    /// Returns the index of a waiting call.
    fn waiting(&self, number: u64) -> Option<usize> {
        self.waiting.binary_search_by_key(&number, |waiting| waiting.place.number).ok()
    }

    fn resolve(&mut self, index: usize, result: Result<Permit, Arc<QuotaStoreError>>) -> Option<Waker> {
        let Waiting { place, waker, .. } = self.waiting.remove(index)?;
        self.results.insert(place.number, result);
        Some(waker)
    }
}

impl Place {
    pub(super) fn permit(self) -> PermitId {
        self.permit
    }
}

impl Ended {
    /// Returns the time after which the store needs no report of the end, since the permit has lapsed.
    fn matters_for(&self, hold: Duration) -> Duration {
        match self.outcome {
            PermitOutcome::Refused { retry_after } => retry_after.max(hold),
            _ => hold,
        }
    }
}
