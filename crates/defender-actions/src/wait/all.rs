//! The wait for many actions with few calls.

use std::{collections::BTreeSet, time::Duration};

use defender_model::{ActionId, MachineAction};
use futures_util::stream;

use crate::{
    BoxStream, DefenderClient, Error,
    submit::record_facts::lower_id,
    wait::{awaited::Awaited, cycle::Cycle, poll::PollPolicy},
};

impl DefenderClient {
    /// Waits for many actions with few calls: each cycle reads one list, however many actions there are. An id that is given twice
    /// has one result.
    ///
    /// ```no_run
    /// use defender_actions::{DefenderClient, model::ActionId};
    /// use futures_util::StreamExt;
    ///
    /// # async fn example(defender: DefenderClient, ids: Vec<ActionId>) {
    /// let mut ends = defender.wait_all(ids).stream();
    /// while let Some((id, outcome)) = ends.next().await {
    ///     match outcome {
    ///         Ok(action) => println!("{id} {}", action.status),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn wait_all(&self, ids: impl IntoIterator<Item = ActionId>) -> WaitAll {
        let mut known = BTreeSet::new();
        let ids = ids.into_iter().filter(|id| known.insert(lower_id(id).into_owned()));
        WaitAll::new(self.clone(), ids.map(|id| (id.clone(), id.into())).collect())
    }

    /// Waits for many actions as [`wait_all`](Self::wait_all), and returns each result under a key of yours, such as the name of the
    /// machine. Each key has its result, also if several keys share one action, which may be
    /// [`Joined`](crate::Origin::Joined).
    ///
    /// An action is given by its id or as a [`Submitted`](crate::Submitted), whose records are compared with the submission, as in
    /// [`Submitted::wait`](crate::Submitted::wait).
    ///
    /// ```no_run
    /// use defender_actions::{DefenderClient, Submitted};
    /// use futures_util::StreamExt;
    ///
    /// # async fn example(defender: DefenderClient, submitted: Vec<(String, Submitted)>) {
    /// let mut changes = defender.wait_all_keyed(submitted).updates();
    /// while let Some((machine, change)) = changes.next().await {
    ///     match change {
    ///         Ok(action) if action.status.is_terminal() => println!("{machine}: done"),
    ///         Ok(action) => println!("{machine}: {}", action.status),
    ///         Err(error) => eprintln!("{machine}: {error}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn wait_all_keyed<K, A: Into<Awaited>>(&self, actions: impl IntoIterator<Item = (K, A)>) -> WaitAll<K> {
        WaitAll::new(self.clone(), actions.into_iter().map(|(key, action)| (key, action.into())).collect())
    }
}

/// Wait for many actions. Nothing is sent before its stream is polled.
///
/// The wait reads the list and not each record, so that a thousand actions cost about as many calls as one. Each cycle reads one list,
/// which begins at the oldest pending action and ends on the page with the last one. Actions that no list shows are read singly, a
/// few in each cycle. Temporary faults do not end the wait, as with [`Wait`](crate::Wait).
///
/// ```no_run
/// use std::time::Duration;
///
/// use defender_actions::{DefenderClient, model::MachineAction};
/// use futures_util::StreamExt;
///
/// # async fn example(defender: DefenderClient, ids: Vec<defender_actions::model::ActionId>) {
/// let half_an_hour = Duration::from_secs(1_800);
/// let ends: Vec<_> = defender.wait_all(ids).at_most(half_an_hour).stream().collect().await;
/// let succeeded = ends.iter().filter(|(_, outcome)| outcome.is_ok()).count();
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is waited for until its stream is polled"]
pub struct WaitAll<K = ActionId> {
    client: DefenderClient,
    actions: Vec<(K, Awaited)>,
    policy: PollPolicy,
}

impl<K> WaitAll<K> {
    fn new(client: DefenderClient, actions: Vec<(K, Awaited)>) -> Self {
        let policy = client.inner().poll;
        Self { client, actions, policy }
    }

    /// Sets the time limit of the wait. Default: the client's, 1 h.
    pub fn at_most(mut self, at_most: Duration) -> Self {
        self.policy.at_most = at_most;
        self
    }

    /// Sets the first delay between two cycles, which grows by half with each cycle, and the longest. Default: the client's, 2 s and 30 s.
    pub fn poll(mut self, first: Duration, longest: Duration) -> Self {
        self.policy.first = first;
        self.policy.longest = longest;
        self
    }
}

impl<K: Send + 'static> WaitAll<K> {
    /// Returns each action once, as soon as it ends, with the result of a [`Wait`](crate::Wait) for it.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn stream(self) -> BoxStream<(K, Result<MachineAction, Error>)> {
        self.cycles(None)
    }

    /// Returns the record of each action each time it changes, and its result. The first item of a [`Submitted`](crate::Submitted) is its
    /// record.
    ///
    /// The last item of a key is `Ok` with a [terminal](defender_model::ActionStatus::is_terminal) status only if the action
    /// succeeded; every error is the last item of its key. Changes between two cycles are one change.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn updates(self) -> BoxStream<(K, Result<MachineAction, Error>)>
    where
        K: Clone,
    {
        self.cycles(Some(K::clone))
    }

    fn cycles(self, copy_key: Option<fn(&K) -> K>) -> BoxStream<(K, Result<MachineAction, Error>)> {
        let Self { client, actions, policy } = self;
        let cycle = Cycle::new(client, actions, policy, copy_key);
        Box::pin(stream::unfold(cycle, |mut cycle| async move { cycle.next().await.map(|report| (report, cycle)) }))
    }
}
