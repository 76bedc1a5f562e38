//! The queues of a process, one for each key.

use std::{sync::Arc, time::Duration};

use super::{super::scopes::Scopes, queue::SharedQueue};
use crate::{
    Clock,
    extensions::{QuotaKey, RateLimitScope},
    quota::QuotaStore,
};

/// The queues before one store.
#[derive(Debug)]
pub(crate) struct SharedQueues {
    store: Arc<dyn QuotaStore>,
    clock: Arc<dyn Clock>,
    /// First part of the keys in the store.
    owner: String,
    longest_attempt: Duration,
    queues: Scopes<SharedQueue>,
}

impl SharedQueues {
    pub(crate) fn new(
        store: Arc<dyn QuotaStore>,
        clock: Arc<dyn Clock>,
        owner: String,
        longest_attempt: Duration,
    ) -> Self {
        Self { store, clock, owner, longest_attempt, queues: Scopes::default() }
    }

    /// Returns the queue of a scope.
    pub(crate) fn queue(&self, scope: &RateLimitScope) -> Arc<SharedQueue> {
        self.queues.queue(
            &scope.key,
            || SharedQueue::is_idle,
            || {
                let key = QuotaKey::from(format!("{}/{}", self.owner, scope.key));
                let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
                SharedQueue::new(store, clock, key, scope.limits.to_vec(), self.longest_attempt)
            },
        )
    }
}
