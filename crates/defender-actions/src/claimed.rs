//! Which actions are some submission's already.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use defender_model::ActionId;

/// What is older than this can no longer be mistaken for an action that was just asked for.
const KEPT: Duration = Duration::from_secs(3_600);

/// The actions that a submission of this client holds for its own, so that no other takes one of them for the answer that
/// it lost.
#[derive(Debug, Default)]
pub(crate) struct Claimed(Mutex<HashMap<ActionId, Duration>>);

impl Claimed {
    /// Claims `id` at `now`; false where it is claimed already.
    pub(crate) fn claim(&self, id: &ActionId, now: Duration) -> bool {
        let mut claimed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        claimed.retain(|_, at| now.saturating_sub(*at) < KEPT);
        claimed.insert(id.clone(), now).is_none()
    }

    /// Whether some submission has claimed it.
    pub(crate) fn is_claimed(&self, id: &ActionId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
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
