//! The request of an action, before it is sent.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use defender_model::{Action, Isolate, IsolationType, MachineId, WithExternalId};
use http::Request;
use jiff::Timestamp;

use crate::{
    BoxFuture, DefenderClient, Error, ErrorKind, ExternalIds, Intent, Submitted,
    client::{Inner, call::Call, operation::Operation, service_clock::Moment},
    submit::{
        attempt::Attempt,
        expected::Expected,
        external_id::{self, with_generated_id},
        journaled::Journaled,
        report::ActionReport,
        submission::{Submission, SubmittedRequest},
    },
};

/// Request of an action. Nothing is sent before it is awaited, and it is sent once.
///
/// # Dropping it
///
/// While the request waits in the queue or for a token, dropping the future has no effect: nothing was sent. Once the request may
/// have been sent, the **outcome is unknown**: the service may have accepted the action, or may accept it later, as after a lost
/// response. A dropped future does not search for the action. Store the [`intent`](Self::intent) before the await; then
/// [`recover`](DefenderClient::recover) searches for the action.
///
/// # Example
///
/// ```no_run
/// use std::time::Duration;
///
/// use defender_actions::DefenderClient;
///
/// # async fn example(defender: DefenderClient) -> Result<(), Box<dyn std::error::Error>> {
/// let machine = defender.machine("1e5bc9d7e413ddd7902c2932e418702b84d0cc07".parse()?);
/// let isolate = machine
///     .isolate("Ransomware") // the comment in the audit trail
///     .selective()
///     .check_machine() // fails if the machine is inactive, or its system does not support the action
///     .external_id("INC-4711")
///     .timeout(Duration::from_secs(60));
/// println!("{}", isolate.request()?.uri()); // a dry run: nothing is sent
/// let submitted = isolate.await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until this is awaited"]
pub struct ActionRequest<A> {
    client: DefenderClient,
    machine: MachineId,
    action: Result<A, defender_model::Error>,
    resend_if_lost: bool,
    refuse_if_inverse_pending: bool,
    check_machine: bool,
    timeout: Option<Duration>,
    valid_for: Option<Duration>,
    key: Option<String>,
    actor: Option<String>,
    ticket: Option<String>,
    /// Intent that [`intent`](Self::intent) has returned. The request is bound to it.
    bound_intent: OnceLock<Intent>,
}

impl<A: Action> ActionRequest<A> {
    pub(crate) fn new(client: DefenderClient, machine: MachineId, action: Result<A, defender_model::Error>) -> Self {
        Self {
            client,
            machine,
            action,
            resend_if_lost: false,
            refuse_if_inverse_pending: false,
            check_machine: false,
            timeout: None,
            valid_for: None,
            key: None,
            actor: None,
            ticket: None,
            bound_intent: OnceLock::new(),
        }
    }

    /// Returns the intent of the request. Store it before the await: [`DefenderClient::recover`] finds the outcome by the intent
    /// after a crash.
    ///
    /// The first call of this method binds the request to the intent: no attempt is sent after the [`latest`](Intent::latest) time of
    /// the intent. This time is now plus the timeout of a call (five minutes, or [`timeout`](Self::timeout)), unless
    /// [`valid_for`](Self::valid_for) sets another. If the request is awaited later, it fails as
    /// [`IntentExpired`](ErrorKind::IntentExpired), and nothing is sent. A later change of the action creates another intent.
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request), as from the await.
    pub fn intent(&self) -> Result<Intent, Error> {
        if let Some(intent) = self.bound_intent.get() {
            return Ok(intent.clone());
        }
        self.parts()?;
        let invalid =
            |source: &defender_model::Error| Error::new(ErrorKind::Request).context(A::TYPE).caused_by(source.clone());
        let (inner, action) = (self.client.inner(), self.action.as_ref().map_err(invalid)?);
        let mut intent = new_intent(inner, self.machine.clone(), action, (inner.clock.now(), self.validity()))?;
        intent.actor.clone_from(&self.actor);
        intent.ticket.clone_from(&self.ticket);
        let intent = inner.addressed(intent);
        Ok(self.bound_intent.get_or_init(|| intent).clone())
    }

    /// Sets the validity of the intent. No attempt is sent after its end, the second request of
    /// [`resend_if_lost`](Self::resend_if_lost) included. Default: the timeout of a call, five minutes or
    /// [`timeout`](Self::timeout). Call this before [`intent`](Self::intent).
    pub fn valid_for(mut self, valid_for: Duration) -> Self {
        self.valid_for = Some(valid_for);
        self
    }

    /// Allows a second request. It is sent if the response to the first was lost and if, after two minutes (the client's
    /// [`visibility_timeout`](crate::DefenderClientBuilder::visibility_timeout)), the service's list has no action that may be this
    /// action.
    ///
    /// A late first request **may still take effect**, so that the action may be performed twice. Without this method it is never
    /// performed twice. No second request is sent if the list cannot be read, if the list has an action of the same type on the
    /// machine that began within the 15 minutes before, or if the intent has expired.
    pub fn resend_if_lost(mut self) -> Self {
        self.resend_if_lost = true;
        self
    }

    /// Fails as [`Conflict`](ErrorKind::Conflict) while the action's inverse is pending on the machine. Without this, a pending
    /// isolation could take effect after the release that is requested. The check precedes the request, so that another caller can
    /// still submit an inverse in between.
    pub fn refuse_if_inverse_pending(mut self) -> Self {
        self.refuse_if_inverse_pending = true;
        self
    }

    /// Reads the machine's record first, and fails as [`UnsuitableMachine`](ErrorKind::UnsuitableMachine) if the machine is inactive,
    /// has left the service, was merged into another machine, or has a system that does not support the action. Needs the
    /// permission to read machines. [`MachineHandle::check`](crate::MachineHandle::check) reports the same and sends no action.
    pub fn check_machine(mut self) -> Self {
        self.check_machine = true;
        self
    }

    /// Sets the key of the entry in the [journal](crate::DefenderClientBuilder::journal). Default: a random key.
    ///
    /// With a key of the caller, such as run and machine, a second request is not sent while the first is in progress, was submitted, or
    /// has no known outcome. Without a journal the key has no effect.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the person or program that requests the action, as its intent names it. It is not sent. Default: the client's
    /// [`actor`](crate::DefenderClientBuilder::actor).
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self.bound_intent = OnceLock::new();
        self
    }

    /// Sets the ticket of the change, as the intent names it. It is not sent: write it into the comment as well, for the portal.
    pub fn ticket(mut self, ticket: impl Into<String>) -> Self {
        self.ticket = Some(ticket.into());
        self.bound_intent = OnceLock::new();
        self
    }

    /// Sets the time limit of the call, queue and retries included. Default: the client's. The search after a lost response may take
    /// two minutes more.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request: the same as awaiting it, as a future that can be spawned or joined.
    ///
    /// If the response is lost or reports a pending action, the client searches for the action for up to two minutes.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]. Only after [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) may the action still take effect.
    pub fn send(mut self) -> impl Future<Output = Result<Submitted, Error>> + Send + 'static {
        async move {
            let (path, body) = self.parts()?;
            let (call, bound) = (self.call(path), self.bound_intent.take());
            let (client, valid_for) = (self.client.clone(), self.validity());
            let Self { machine, action, resend_if_lost, refuse_if_inverse_pending, check_machine, .. } = self;
            let invalid = |source| Error::new(ErrorKind::Request).context(A::TYPE).caused_by(source);
            let rule = action.map_err(invalid)?;
            let (inner, began) = (client.inner(), Moment::now(&*client.inner().clock));
            let needs_intent = inner.journal.is_some() || inner.external_ids == ExternalIds::Generated;
            let valid = (began.wall, valid_for);
            let (submission, body) = if let Some(intent) = bound {
                Submission::of_intent(body, intent)
            } else if needs_intent {
                let mut intent = new_intent(inner, machine, &rule, valid)?;
                (intent.actor, intent.ticket) = (self.actor, self.ticket);
                Submission::of_intent(body, if inner.journal.is_some() { inner.addressed(intent) } else { intent })
            } else {
                let mut request = SubmittedRequest::new(machine, A::TYPE, body.into(), valid);
                (request.actor, request.ticket) = (self.actor, self.ticket);
                let body = request.body.clone();
                (Submission::Request(request), body)
            };
            let mut request = Call { body: Some(body), ..call };
            let expected: Arc<Expected> = Arc::new(Expected { submission, rule });
            let (key, timeout) = (self.key.as_deref(), self.timeout);
            let with_entry = |journal| Journaled::begin(&client, journal, key, &expected, timeout).map(Box::new);
            let journaled = client.inner().journal.clone().map(with_entry).transpose()?;
            request.intent = journaled.as_deref().map(|(_, pending)| pending.clone());
            let report = ActionReport::submission(&client, A::TYPE, Arc::clone(&expected));
            let attempt = Attempt {
                client,
                expected,
                request,
                began,
                resend_if_lost,
                refuse_pending: A::INVERSE.filter(|_| refuse_if_inverse_pending),
                check_machine: check_machine.then_some(A::PLATFORMS),
            };
            let (mut outcome, attempts) = report.span().around(attempt.run(report.span())).await;
            if let Some(journaled) = journaled {
                let (journaled, pending) = *journaled;
                outcome = Box::pin(journaled.end(&pending, outcome)).await;
            }
            report.ended(outcome.as_ref().map(|submitted| (submitted.id(), submitted.origin())), attempts);
            outcome
        }
    }

    /// Returns the finished HTTP request, for a dry run, a log, or a test. Nothing is sent. The request has no token, which is set
    /// when it is sent; its extensions are the settings of the layers. If external ids are generated, this binds the request to its
    /// id as [`intent`](Self::intent) does.
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request), as from the await.
    pub fn request(&self) -> Result<Request<Bytes>, Error> {
        let (path, mut body) = self.parts()?;
        if self.client.inner().external_ids == ExternalIds::Generated {
            body = with_generated_id(body, &self.intent()?);
        }
        Call { body: Some(body.into()), ..self.call(path) }.request(self.client.inner())
    }

    /// Returns the path and the body, or the error of an invalid action.
    fn parts(&self) -> Result<(String, Vec<u8>), Error> {
        let path = ["/machines/", self.machine.as_str(), "/", A::SEGMENT].concat();
        let invalid = || Error::new(ErrorKind::Request).context(format!("POST {path}"));
        let action = self.action.as_ref().map_err(|source| invalid().caused_by(source.clone()))?;
        if !is_segment(A::SEGMENT) {
            return Err(invalid().caused_by(
                "the path segment of the action has a character other than letters, digits, `-`, `_` and `.`",
            ));
        }
        let body = serde_json::to_vec(action).map_err(|source| invalid().caused_by(source))?;
        Ok((path, body))
    }

    /// Returns the validity of the intent.
    fn validity(&self) -> Duration {
        self.valid_for.or(self.timeout).unwrap_or(self.client.inner().total_timeout)
    }

    /// Returns the call without its body.
    fn call(&self, path: String) -> Call {
        Call { operation: Operation::of_action::<A>(), path, timeout: self.timeout, body: None, intent: None }
    }
}

/// Creates the intent of an action, which may get a generated external id.
fn new_intent<A: Action>(
    inner: &Inner,
    machine: MachineId,
    action: &A,
    valid: (Timestamp, Duration),
) -> Result<Intent, Error> {
    let invalid = |source: serde_json::Error| Error::new(ErrorKind::Request).context(A::TYPE).caused_by(source);
    let mut body = serde_json::to_value(action).map_err(invalid)?;
    let is_generated = inner.external_ids == ExternalIds::Generated && external_id::add_generated(&mut body);
    Ok(Intent::new(machine, A::TYPE, body, is_generated, valid))
}

impl<A: WithExternalId> ActionRequest<A> {
    /// Sets the caller's own id of the action. It is sent instead of a
    /// [generated](crate::DefenderClientBuilder::external_ids) id, and confirms a record that has it. The client does not assume that
    /// it is unique. Its name in requests is from the service's OData metadata.
    pub fn external_id(self, external_id: impl Into<String>) -> Self {
        self.changed(|action| action.with_external_id(external_id.into()))
    }
}

impl ActionRequest<Isolate> {
    /// Lets a limited set of applications use the network.
    pub fn selective(self) -> Self {
        self.isolation_type(IsolationType::Selective)
    }

    /// Isolates a machine that is not onboarded: the onboarded machines are instructed to block it.
    pub fn unmanaged_device(self) -> Self {
        self.isolation_type(IsolationType::UnManagedDevice)
    }

    fn isolation_type(self, isolation_type: IsolationType) -> Self {
        self.changed(|mut action| {
            action.isolation_type = isolation_type;
            action
        })
    }
}

impl<A> ActionRequest<A> {
    fn changed(mut self, change: impl FnOnce(A) -> A) -> Self {
        self.action = self.action.map(change);
        // The returned intent belongs to the request before the change.
        self.bound_intent = OnceLock::new();
        self
    }
}

/// Returns whether the text is a path segment that does not change the rest of the path.
fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(allowed)
}

impl<A: Action> IntoFuture for ActionRequest<A> {
    type Output = Result<Submitted, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
