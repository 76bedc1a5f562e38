//! The queues of a process, one for each key.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::queue::SharedQueue;
use crate::{
    Clock,
    extensions::{QuotaKey, RateLimitScope},
    quota::QuotaStore,
};

/// Number of queues up to which idle queues are kept.
const FEW: usize = 32;

/// The queues before one store.
#[derive(Debug)]
pub(crate) struct SharedQueues {
    store: Arc<dyn QuotaStore>,
    clock: Arc<dyn Clock>,
    /// First part of the keys in the store.
    owner: String,
    longest_attempt: Duration,
    /// The queues by the key of the scope, and the number of queues at which idle queues are dropped.
    queues: Mutex<(BTreeMap<QuotaKey, Arc<SharedQueue>>, usize)>,
}

impl SharedQueues {
    pub(crate) fn new(
        store: Arc<dyn QuotaStore>,
        clock: Arc<dyn Clock>,
        owner: String,
        longest_attempt: Duration,
    ) -> Self {
        Self { store, clock, owner, longest_attempt, queues: Mutex::default() }
    }

    /// Returns the queue of a scope.
    pub(crate) fn queue(&self, scope: &RateLimitScope) -> Arc<SharedQueue> {
        let mut lock = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let (queues, sweep_at) = &mut *lock;
        if let Some(queue) = queues.get(&scope.key) {
            return Arc::clone(queue);
        }
        if queues.len() >= (*sweep_at).max(FEW) {
            // Every holder of a queue got it under this lock, so a queue without holders is not about to be asked.
            queues.retain(|_, queue| Arc::strong_count(queue) > 1 || !queue.is_idle());
            *sweep_at = queues.len().saturating_mul(2);
        }
        let key = QuotaKey::from(format!("{}/{}", self.owner, scope.key));
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let queue = Arc::new(SharedQueue::new(store, clock, key, scope.limits.to_vec(), self.longest_attempt));
        queues.insert(scope.key.clone(), Arc::clone(&queue));
        queue
    }
}
