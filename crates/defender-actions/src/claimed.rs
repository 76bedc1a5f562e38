//! Which actions are some submission's already, and which submissions have no answer yet.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use defender_model::{ActionId, MachineAction};
use jiff::{SignedDuration, Timestamp};

use crate::{Intent, departure::Departure};

/// What is older than this can no longer be mistaken for an action that was just asked for.
const KEPT: Duration = Duration::from_secs(3_600);

/// The actions that a submission of this client holds for its own, so that no other takes one of them for the answer that
/// it lost; and the submissions that may be about to hold one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claimed(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    claimed: HashMap<ActionId, Duration>,
    /// By a number of their own: of which machine and type, and when they went off.
    asking: HashMap<u64, (String, Departure)>,
    /// When the youngest actions were first seen in reads, on our clock.
    seen: HashMap<ActionId, Timestamp>,
    /// How many of those there are when the old ones are next forgotten.
    sweep_at: usize,
    next: u64,
}

/// An action that is older than this is told by its date, so that nobody need remember that it was seen.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);

/// So many are remembered, old or not.
const FEW: usize = 1_024;

/// A submission that waits for its answer, until this is dropped.
#[derive(Debug)]
pub(crate) struct Asking {
    claimed: Claimed,
    number: u64,
}

impl Claimed {
    /// Claims `id` at `now`; false where it is claimed already.
    pub(crate) fn claim(&self, id: &ActionId, now: Duration) -> bool {
        let mut state = self.state();
        state.claimed.retain(|_, at| now.saturating_sub(*at) < KEPT);
        state.claimed.insert(id.clone(), now).is_none()
    }

    /// Whether some submission has claimed it.
    pub(crate) fn is_claimed(&self, id: &ActionId) -> bool {
        self.state().claimed.contains_key(id)
    }

    /// Notes that a read at `now` has shown this action: what is answered to a later sending is not new if it is this one.
    /// `service_now` is the same moment on the service's clock.
    pub(crate) fn saw(&self, action: &MachineAction, now: Timestamp, service_now: Timestamp) {
        let age = |created: Timestamp| service_now.duration_since(created);
        if action.creation_date_time_utc.is_some_and(|created| age(created) < YOUNG) {
            let mut state = self.state();
            if state.seen.len() >= state.sweep_at.max(FEW) {
                state.seen.retain(|_, at| now.duration_since(*at) < YOUNG);
                state.sweep_at = state.seen.len().saturating_mul(2);
            }
            state.seen.entry(action.id.clone()).or_insert(now);
        }
    }

    /// Whether a read has shown it before `departed`, on our clock.
    pub(crate) fn was_seen(&self, id: &ActionId, departed: Timestamp) -> bool {
        self.state().seen.get(id).is_some_and(|at| *at < departed)
    }

    /// Notes that `intent` is being asked for.
    pub(crate) fn asking(&self, intent: &Intent, departure: Departure) -> Asking {
        let mut state = self.state();
        let number = state.next;
        state.next = number.wrapping_add(1);
        state.asking.insert(number, (kind(intent), departure));
        Asking { claimed: self.clone(), number }
    }

    /// Whether a submission like `intent` has gone off and has no answer yet: what is found may be its action.
    pub(crate) fn is_asked_for(&self, intent: &Intent) -> bool {
        let kind = kind(intent);
        self.state().asking.values().any(|(asked, departure)| *asked == kind && departure.last().is_some())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kind(intent: &Intent) -> String {
    format!("{} {}", intent.machine_id, intent.action_type).to_ascii_lowercase()
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.claimed.state().asking.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_claimed_once_and_forgotten_after_an_hour() {
        let claimed = Claimed::default();
        let (a, b): (ActionId, ActionId) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert!(claimed.claim(&a, Duration::ZERO));
        assert!(!claimed.claim(&a, Duration::from_secs(1)) && claimed.is_claimed(&a));
        assert!(claimed.claim(&b, Duration::from_secs(4_000)));
        assert!(!claimed.is_claimed(&a));
    }
}
