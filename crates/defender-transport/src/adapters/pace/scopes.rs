//! The queues that are in use, one for each scope.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::extensions::QuotaKey;

/// Number of queues up to which idle queues are kept.
pub(super) const FEW: usize = 32;

/// Queues by their key. Idle queues are dropped when there are twice as many queues as were in use the last time.
#[derive(Debug)]
pub(super) struct Scopes<Q>(Mutex<InUse<Q>>);

#[derive(Debug)]
struct InUse<Q> {
    queues: BTreeMap<QuotaKey, Arc<Q>>,
    sweep_at: usize,
}

impl<Q> Scopes<Q> {
    /// Returns the queue of a key, or a new one. `is_idle` is called once, if queues may be dropped.
    pub(super) fn queue<I: Fn(&Q) -> bool>(
        &self,
        key: &QuotaKey,
        is_idle: impl FnOnce() -> I,
        new: impl FnOnce() -> Q,
    ) -> Arc<Q> {
        let mut in_use = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = in_use.queues.get(key) {
            return Arc::clone(queue);
        }
        if in_use.queues.len() >= in_use.sweep_at.max(FEW) {
            // Every holder of a queue got it under this lock, so a queue without holders is not about to be asked.
            let is_idle = is_idle();
            in_use.queues.retain(|_, queue| Arc::strong_count(queue) > 1 || !is_idle(queue));
            in_use.sweep_at = in_use.queues.len().saturating_mul(2);
        }
        let queue = Arc::new(new());
        in_use.queues.insert(key.clone(), Arc::clone(&queue));
        queue
    }
}

#[cfg(all(test, feature = "testing"))]
impl<Q> Scopes<Q> {
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).queues.len()
    }
}

impl<Q> Default for Scopes<Q> {
    fn default() -> Self {
        Self(Mutex::new(InUse { queues: BTreeMap::new(), sweep_at: 0 }))
    }
}
