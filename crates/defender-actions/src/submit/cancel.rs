//! The cancellation of an action.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use defender_model::{ActionId, ActionStatus, CancelMachineAction, MachineAction};

use crate::{
    ActionHandle, BoxFuture, DefenderClient, Error, ErrorKind,
    client::{call::Call, call_note::CallNote, operation::Operation},
    submit::{
        identity::Identity,
        record::{is_about, read},
        report::ActionReport,
        span::ActionSpan,
    },
};

impl ActionHandle {
    /// *Cancel*: cancels the action, if it has not been done yet, and returns its record.
    ///
    /// An action that can no longer be cancelled is refused with 400 ([`Refused`](ErrorKind::Refused)). Permission: any one of [`CancelMachineAction::PERMISSIONS`](defender_model::CancelMachineAction::PERMISSIONS). Commands of a record that is `Cancelled` may
    /// have been completed before. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/cancel-machine-action>.
    pub fn cancel(&self, comment: impl Into<String>) -> Cancel {
        // The caller names the action by its id, so no further confirmation is required.
        Cancel::new(self.client.clone(), self.id.clone(), comment, true)
    }
}

/// Request that cancels an action. Nothing is sent before it is awaited, and it is sent once.
///
/// ```no_run
/// use defender_actions::{DefenderClient, ErrorKind, model::ActionId};
///
/// # async fn example(defender: DefenderClient, id: ActionId) -> Result<(), defender_actions::Error> {
/// match defender.action(id).cancel("False positive").await {
///     Ok(record) => println!("{}", record.status),
///     Err(error) if error.kind() == ErrorKind::Refused => println!("too late: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until this is awaited"]
pub struct Cancel {
    client: DefenderClient,
    id: ActionId,
    request: Result<CancelMachineAction, defender_model::Error>,
    allowed: bool,
    identity: Identity,
    timeout: Option<Duration>,
}

impl Cancel {
    pub(crate) fn new(client: DefenderClient, id: ActionId, comment: impl Into<String>, allowed: bool) -> Self {
        let request = CancelMachineAction::new(comment);
        Self { client, id, request, allowed, identity: Identity::Unknown, timeout: None }
    }

    /// Compares the records of the response and of later reads with this record.
    pub(crate) fn expecting(mut self, record: &MachineAction) -> Self {
        self.identity = Identity::recorded(record);
        self
    }

    /// Cancels the action even if this client did not create it.
    pub fn even_if_not_ours(mut self) -> Self {
        self.allowed = true;
        self
    }

    /// Sets the time limit of the call, queue and retries included. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request: the same as awaiting it, as a future that can be spawned or joined.
    ///
    /// The request is sent once. After a lost response, the action's record is read for up to two minutes, until it shows that the
    /// action was cancelled, by any caller.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]. [`Refused`](ErrorKind::Refused): the action has ended already.
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown): the action may still be cancelled; the error has the last known record.
    pub fn send(self) -> impl Future<Output = Result<MachineAction, Error>> + Send + 'static {
        async move {
            if !self.allowed {
                return Err(Error::new(ErrorKind::Request)
                    .context(self.context())
                    .caused_by("this client did not create the action")
                    .with_advice("use `.even_if_not_ours()` to cancel it anyway"));
            }
            let call = self.call()?;
            let report = ActionReport::cancellation(&self.client, &self.id);
            let (outcome, attempts) = report.span().around(Box::pin(self.run(call, report.span()))).await;
            report.cancelled(outcome.as_ref(), attempts);
            outcome
        }
    }

    /// Sends the call and finds the outcome. Returns the number of attempts as well.
    async fn run(self, call: Call, span: &ActionSpan) -> (Result<MachineAction, Error>, u32) {
        let mut identity = self.identity.clone();
        let note = Arc::<CallNote>::default();
        let response = self.client.inner().call_counted::<MachineAction>(&call, call.timeout, &note).await;
        let response = response.map(|(record, attempts)| (*record, attempts));
        let attempts = response.as_ref().map_or_else(Error::attempts, |(_, attempts)| *attempts);
        let error = match response {
            Ok((record, _)) if is_about(&record, &self.id) => {
                let checked = identity.check(&record).map(|()| record);
                return (checked.map_err(|error| error.with_action_id(&self.id)), attempts);
            }
            // The record of another action does not show the effect on this one.
            Ok((record, _)) => Error::new(ErrorKind::OutcomeUnknown)
                .context(self.context())
                .with_action_id(&self.id)
                .caused_by(format!("the response is about action {}", record.id)),
            Err(error) => error.with_action_id(&self.id),
        };
        let outcome = match error.kind() {
            ErrorKind::OutcomeUnknown | ErrorKind::InvalidResponse => {
                span.searching(&error);
                Box::pin(self.find_outcome(error, identity)).await
            }
            _ => Err(error),
        };
        (outcome, attempts)
    }

    /// Returns the finished HTTP request. Nothing is sent. The request has no token, which is set when it is sent.
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request), as from the await.
    pub fn request(&self) -> Result<http::Request<Bytes>, Error> {
        self.call()?.request(self.client.inner())
    }

    fn path(&self) -> String {
        format!("/machineactions/{}/cancel", self.id)
    }

    fn context(&self) -> String {
        format!("POST {}", self.path())
    }

    fn call(&self) -> Result<Call, Error> {
        let call = Call { timeout: self.timeout, ..Call::new(Operation::CANCEL, self.path()) };
        call.json(self.request.clone())
    }

    /// Finds the outcome after a lost response: reads the record until the action is cancelled, has ended otherwise, or the visibility
    /// timeout has passed.
    async fn find_outcome(self, lost: Error, mut identity: Identity) -> Result<MachineAction, Error> {
        let context = self.context();
        let Self { client, id, .. } = self;
        let (clock, poll) = (Arc::clone(&client.inner().clock), client.inner().poll);
        let began = clock.elapsed();
        let left = || poll.visibility_timeout.saturating_sub(clock.elapsed().saturating_sub(began));
        let (mut delays, mut last_known) = (poll.after_response(), None);
        loop {
            let result = read(&client, &id).timeout(left().max(LAST_READ)).await;
            if let Ok(action) = &result {
                identity.check(action).map_err(|error| error.with_action_id(&id))?;
            }
            match result {
                Ok(action) if is_cancelled(&action) => return Ok(action),
                // The action has ended, so the service will refuse a request that is still on its way.
                Ok(action) if action.status.is_terminal() => {
                    return Err(Error::new(ErrorKind::Refused)
                        .context(context)
                        .message(format!("the action has already ended as {}", action.status))
                        .caused_by(lost)
                        .with_action_id(&id)
                        .with_action(Some(action)));
                }
                Ok(action) => last_known = Some(action),
                Err(error) if error.is_retryable() || error.is_not_found() => {}
                Err(error) => return Err(lost.with_cause_if_none(error).with_action(last_known)),
            }
            if left().is_zero() {
                return Err(lost.with_action(last_known));
            }
            clock.sleep(delays.next().min(left())).await;
        }
    }
}

/// Time limit of the last read, which begins when the visibility timeout ends.
const LAST_READ: Duration = Duration::from_secs(30);

/// Returns whether the action was cancelled, even if the status of the record does not show it yet.
fn is_cancelled(action: &MachineAction) -> bool {
    action.status == ActionStatus::Cancelled
        || !action.status.is_terminal()
            && (action.cancellation_date_time_utc.is_some() || action.cancellation_requestor.is_some())
}

impl IntoFuture for Cancel {
    type Output = Result<MachineAction, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
