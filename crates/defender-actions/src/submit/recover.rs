//! Recovery of the outcomes of intents.

use std::{future::ready, sync::Arc, time::Duration};

use futures_util::stream::FuturesUnordered;

use crate::{
    BoxFuture, BoxStream, DefenderClient, Error, ErrorKind, Intent, Submitted,
    client::{Inner, service_clock::Moment},
    submit::{
        expected::Expected, particulars::RuleOfIntent, reconciler::Reconciler, report::ActionReport,
        search::SearchLimits, submission::Submission,
    },
};

impl DefenderClient {
    /// Finds the outcome of an intent whose response is not known: after a crash, or after the future was dropped. Only reads
    /// are sent.
    ///
    /// `Ok` means that *an action of this intent exists*. Without a generated external id ([`ExternalIds::Generated`](crate::ExternalIds::Generated)) the action may
    /// be that of another process that submitted the same action with the same comment at the same time. The search takes two
    /// minutes at most, since reads lag behind writes.
    pub fn recover(&self, intent: Intent) -> Recover {
        Recover::new(self.clone(), intent)
    }

    /// Finds the outcomes of many intents with few calls: all intents share the same lists.
    ///
    /// ```no_run
    /// use defender_actions::{DefenderClient, Intent};
    /// use futures_util::StreamExt;
    ///
    /// # async fn example(defender: DefenderClient, intents: Vec<Intent>) {
    /// let mut outcomes = defender.recover_all(intents).stream();
    /// while let Some((intent, outcome)) = outcomes.next().await {
    ///     match outcome {
    ///         Ok(submitted) => println!("{} {}", intent.machine_id, submitted.id()),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn recover_all(&self, intents: impl IntoIterator<Item = Intent>) -> RecoverAll {
        RecoverAll::new(self.clone(), intents.into_iter().collect())
    }
}

/// Search for the action of an intent. Nothing is sent before it is awaited, and then only reads are sent.
///
/// ```no_run
/// use defender_actions::{DefenderClient, Intent, UnknownReason};
///
/// # async fn example(defender: DefenderClient, intent: Intent) -> Result<(), defender_actions::Error> {
/// match defender.recover(intent).await {
///     Ok(submitted) => println!("{} is {}", submitted.id(), submitted.action().status),
///     Err(error) if error.reason() == Some(UnknownReason::NothingFound) => println!("nobody knows that it was done: {error}"),
///     Err(error) => eprintln!("{error}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is searched for until this is awaited"]
pub struct Recover {
    client: DefenderClient,
    intent: Intent,
}

impl Recover {
    pub(crate) fn new(client: DefenderClient, intent: Intent) -> Self {
        Self { client, intent }
    }

    /// Searches for the action: the same as awaiting this, as a future that can be spawned or joined.
    ///
    /// The search takes the client's visibility timeout, two minutes by default. If the intent is so old that its action would be
    /// visible by now, also if the clock that dated it was a quarter of an hour wrong, one list is read.
    ///
    /// # Errors
    ///
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) if no action is certainly the intent's; [`Error::reason`] returns the reason. A
    /// live response session, and an action whose type is not [registered](crate::DefenderClientBuilder::action), are found by a
    /// generated external id only.
    pub fn send(self) -> impl Future<Output = Result<Submitted, Error>> + Send + 'static {
        recovered(self.client, self.intent, |_, _, outcome| ready(outcome))
    }
}

/// Searches for the action of an intent, and reports the outcome after `settle`: the journal may have the action for another entry.
pub(crate) async fn recovered<F: Future<Output = Result<Submitted, Error>>>(
    client: DefenderClient,
    intent: Intent,
    settle: impl FnOnce(DefenderClient, Arc<Expected>, Result<Submitted, Error>) -> F,
) -> Result<Submitted, Error> {
    let expected = expected(client.inner(), Arc::new(intent));
    let report = ActionReport::recovery(&client, Arc::clone(&expected));
    let outcome = report.span().around(recover(client.clone(), Arc::clone(&expected))).await;
    let outcome = settle(client, expected, outcome).await;
    report.ended(outcome.as_ref().map(|submitted| (submitted.id(), submitted.origin())), 0);
    outcome
}

/// Search for the actions of many intents. Nothing is sent before its stream is polled, and then only reads are sent.
///
/// All searches read the same lists, so that 500 intents cost about as many calls as one.
#[derive(Clone, Debug)]
#[must_use = "nothing is searched for until its stream is polled"]
pub struct RecoverAll {
    client: DefenderClient,
    intents: Vec<Intent>,
}

impl RecoverAll {
    pub(crate) fn new(client: DefenderClient, intents: Vec<Intent>) -> Self {
        Self { client, intents }
    }

    /// Returns each intent once, as soon as its outcome is known, with the result of [`Recover`].
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn stream(self) -> BoxStream<(Intent, Result<Submitted, Error>)> {
        let Self { client, intents } = self;
        let searches: FuturesUnordered<_> = intents
            .into_iter()
            .map(|intent| {
                let client = client.clone();
                async move { (intent.clone(), Recover::new(client, intent).send().await) }
            })
            .collect();
        Box::pin(searches)
    }
}

/// Error of the clock that dated an intent, in either direction.
const CLOCK_ERROR: Duration = Duration::from_secs(900);

async fn recover(client: DefenderClient, expected: Arc<Expected>) -> Result<Submitted, Error> {
    let (inner, intent) = (client.inner(), expected.submission.intent());
    if let (Some(theirs), Some(ours)) = (&intent.tenant_id, &inner.tenant_id)
        && !theirs.eq_ignore_ascii_case(ours)
    {
        let why = format!(
            "the intent is of tenant {theirs}, and this client is of tenant {ours}; use the client of that tenant"
        );
        return Err(Error::new(ErrorKind::Request).context(intent.context()).caused_by(why));
    }
    let now = Moment::now(&*inner.clock);
    let in_flight = Arc::new(inner.submissions.open_recovery(&expected));
    let visibility_timeout = inner.poll.visibility_timeout;
    let window_end = now.at_wall(intent.latest()).plus(inner.longest_attempt).plus(visibility_timeout);
    // The intent was dated by a clock that may be wrong, perhaps of another computer. One list is enough only if the action would be visible
    // in any case.
    let is_old = window_end.plus(CLOCK_ERROR).elapsed < now.elapsed;
    let until = if is_old { now } else { now.plus(visibility_timeout) }.elapsed;
    let first_attempt = now.at_wall(intent.earliest);
    in_flight.send_times().left(first_attempt);
    in_flight.lost();
    let lost = Error::new(ErrorKind::OutcomeUnknown).context(intent.context());
    let expected = Arc::clone(&expected);
    let reconciler = Reconciler { client: client.clone(), expected, in_flight: Arc::clone(&in_flight), first_attempt };
    let limits = SearchLimits { window_end, until, before_resend: false };
    let outcome = Box::pin(reconciler.recover(lost, limits)).await;
    if outcome.is_ok() {
        in_flight.settle();
    }
    outcome
}

/// Returns the submission of an intent.
pub(crate) fn expected(inner: &Inner, intent: Arc<Intent>) -> Arc<Expected> {
    let rule = RuleOfIntent::new(Arc::clone(&intent), inner.actions());
    Arc::new(Expected { submission: Submission::Intent(intent), rule })
}

impl IntoFuture for Recover {
    type Output = Result<Submitted, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
