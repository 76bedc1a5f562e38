//! The wait for a set of actions that grows.

use std::fmt;

use defender_model::MachineAction;

use crate::{
    DefenderClient, Error,
    wait::{awaited::Awaited, cycle::Cycle},
};

impl DefenderClient {
    /// Returns an empty set of actions, for a caller that submits more actions while it waits for the first. Nothing is sent.
    #[must_use]
    pub fn wait_set<K>(&self) -> WaitSet<K> {
        WaitSet { cycle: Cycle::new(self.clone(), Vec::new(), self.inner().poll, None) }
    }
}

/// Set of actions that are waited for, and that grows. [`WaitAll`](crate::WaitAll) waits for actions that are known at its start.
///
/// The caller decides when to read. Each [`read`](Self::read) costs one list, however many actions the set has, and a few single reads
/// for actions that the list does not show.
///
/// ```no_run
/// use std::time::Duration;
///
/// use defender_actions::{DefenderClient, Error, Submitted};
/// use tokio::time::sleep;
///
/// # async fn example(defender: DefenderClient, first: Submitted, second: Submitted) {
/// let mut set = defender.wait_set();
/// set.add("till-1", first);
/// set.add("till-2", second); // at any time
/// while !set.is_empty() {
///     sleep(Duration::from_secs(10)).await;
///     for (machine, outcome) in set.read().await {
///         println!("{machine}: {:?}", outcome.map(|action| action.status));
///     }
/// }
/// # }
/// ```
pub struct WaitSet<K> {
    cycle: Cycle<K>,
}

impl<K> WaitSet<K> {
    /// Adds an action under a key of the caller. Several keys may share one action.
    pub fn add(&mut self, key: K, action: impl Into<Awaited>) {
        self.cycle.add(key, action.into());
    }

    /// Returns the number of actions whose end has not been seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cycle.pending()
    }

    /// Returns true if the end of each action has been seen. [`read`](Self::read) may still return the ends of actions that had ended when
    /// they were added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the records, and returns each key whose action has ended, with the result of a [`Wait`](crate::Wait) for it. Nothing is sent
    /// if the set is empty. Temporary faults change nothing: the next read sees the end.
    ///
    /// If the future is dropped, no end is lost: the next read returns it.
    pub async fn read(&mut self) -> Vec<(K, Result<MachineAction, Error>)> {
        self.cycle.read_once().await
    }
}

impl<K> fmt::Debug for WaitSet<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitSet").field("pending", &self.len()).finish_non_exhaustive()
    }
}
