//! Finding the outcome of intents.

use std::sync::Arc;

use futures_util::stream::FuturesUnordered;

use crate::{
    BoxFuture, BoxStream, DefenderClient, Error, ErrorKind, Intent, Submitted,
    client::service_clock::Moment,
    submit::{
        intent::RuleOfIntent,
        reconciler::{Reconciler, Search},
        span::ActionSpan,
        submitted::Expected,
    },
};

/// A search for the action of an intent. Nothing is sent before it is awaited, and then only reads are.
#[derive(Clone, Debug)]
#[must_use = "nothing is looked for until this is awaited"]
pub struct Recover {
    client: DefenderClient,
    intent: Intent,
}

impl Recover {
    pub(crate) fn new(client: DefenderClient, intent: Intent) -> Self {
        Self { client, intent }
    }

    /// Looks for the action: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// It looks for the client's grace, two minutes unless it was set, and once only where the intent is so old that its
    /// action would be visible by now.
    ///
    /// # Errors
    ///
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) where no action is certainly the intent's; [`Error::reason`] says why.
    /// Live response, and an action of a type that the client does not [know](crate::DefenderClientBuilder::action), are found by a
    /// generated external id only.
    pub fn send(self) -> impl Future<Output = Result<Submitted, Error>> + Send + 'static {
        async move {
            let Self { client, intent } = self;
            let telling = ActionSpan::of(&intent.action_type, intent.machine_id.as_str());
            let outcome = telling.around(recover(client, Arc::new(intent))).await;
            telling.ended(&outcome, 0);
            outcome
        }
    }
}

/// A search for the actions of many intents. Nothing is sent before its stream is polled, and then only reads are.
///
/// All of them read the same lists, so that 500 intents cost about as many calls as one.
#[derive(Clone, Debug)]
#[must_use = "nothing is looked for until its stream is polled"]
pub struct RecoverAll {
    client: DefenderClient,
    intents: Vec<Intent>,
}

impl RecoverAll {
    pub(crate) fn new(client: DefenderClient, intents: Vec<Intent>) -> Self {
        Self { client, intents }
    }

    /// Each intent as its outcome is known, with what [`Recover`] would give. Each comes once.
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

async fn recover(client: DefenderClient, intent: Arc<Intent>) -> Result<Submitted, Error> {
    let inner = client.inner();
    let now = Moment::now(&*inner.clock);
    let asking = Arc::new(inner.claimed.open(&intent));
    let grace = inner.patience.grace;
    let window_end = now.at_wall(intent.latest()).plus(inner.longest_attempt).plus(grace);
    // Each attempt left before now, as far as can be known: whoever recovers an intent has given up sending it.
    let until = now.plus(grace).elapsed.min(window_end.elapsed.max(now.elapsed));
    let what = intent.what();
    let first_attempt = now.at_wall(intent.earliest);
    asking.departure().left(first_attempt);
    asking.lost();
    let rule = Arc::new(RuleOfIntent::new(Arc::clone(&intent), inner.actions()));
    let expected = Arc::new(Expected { intent, rule });
    let sending = Reconciler { client: client.clone(), expected, asking: Arc::clone(&asking), first_attempt };
    let lost = Error::new(ErrorKind::OutcomeUnknown).context(what);
    let search = Search { window_end, until, before_resend: false };
    let outcome = Box::pin(sending.recover(lost, search)).await;
    if outcome.is_ok() {
        asking.settle();
    }
    outcome
}

impl IntoFuture for Recover {
    type Output = Result<Submitted, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
