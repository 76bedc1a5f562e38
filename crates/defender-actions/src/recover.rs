//! Finding out what became of an intent.

use crate::{BoxFuture, DefenderClient, Error, ErrorKind, Intent, Submitted, outcome::Sending, telling::Telling};

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
    /// # Errors
    ///
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) where no action of the intent appears within the client's grace, two minutes
    /// unless it was set, where several do, or where the actions cannot be read; [`Error::reason`] says which. An action of a type
    /// that this library does not know, and live response, are found by external id only.
    pub fn send(self) -> impl Future<Output = Result<Submitted, Error>> + Send + 'static {
        async move {
            let Self { client, intent } = self;
            let telling = Telling::of(&intent.action_type, intent.machine_id.as_str());
            let outcome = telling.around(recover(&client, &intent)).await;
            telling.ended(&outcome, 0);
            outcome
        }
    }
}

async fn recover(client: &DefenderClient, intent: &Intent) -> Result<Submitted, Error> {
    let same_intent = |existing: &_| intent.same_intent(existing);
    let sending = Sending { client, intent, same_intent: &same_intent, since: intent.earliest };
    let what = format!("{} of machine {}", intent.action_type, intent.machine_id);
    sending.recover(Error::new(ErrorKind::OutcomeUnknown).context(what)).await
}

impl IntoFuture for Recover {
    type Output = Result<Submitted, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
