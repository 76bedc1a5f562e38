//! An action that is about to be asked for.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use defender_model::{Action, Isolate, IsolationType, MachineId, WithExternalId, read_json};
use http::Request;
use serde_json::Value;

use crate::{
    BoxFuture, DefenderClient, Error, ErrorKind, ExternalIds, Intent, Submitted,
    client::{
        call::{Call, JSON},
        operation::Operation,
    },
    submit::{attempt::Attempt, external_id, reconcile::ParticularsRule, span::ActionSpan, submitted::Expected},
};

/// An action that is about to be asked for. Nothing is sent before it is awaited, and it is sent once.
///
/// # Dropping it
///
/// Before the request goes off, while it waits in the queue or for a token, dropping the future leaves nothing behind: nothing
/// was sent. After that the **outcome is unknown**: the action may have been taken, and may still be. It is as with an answer
/// that was lost, but nobody looks for it; with its [`intent`](Self::intent) written down,
/// [`recover`](DefenderClient::recover) does.
#[derive(Debug)]
#[must_use = "nothing is sent until this is awaited"]
pub struct ActionRequest<A> {
    client: DefenderClient,
    machine: MachineId,
    action: Result<A, defender_model::Error>,
    resend_if_lost: bool,
    ordered: bool,
    check_machine: bool,
    timeout: Option<Duration>,
    valid_for: Option<Duration>,
    /// What [`intent`](Self::intent) has given out, to which the request is bound.
    bound: OnceLock<Intent>,
}

impl<A: Action> ActionRequest<A> {
    pub(crate) fn new(client: DefenderClient, machine: MachineId, action: Result<A, defender_model::Error>) -> Self {
        Self {
            client,
            machine,
            action,
            resend_if_lost: false,
            ordered: false,
            check_machine: false,
            timeout: None,
            valid_for: None,
            bound: OnceLock::new(),
        }
    }

    /// Intent of the request, to be written down before it is awaited: with it the outcome is found after a crash, by
    /// [`DefenderClient::recover`].
    ///
    /// The first call binds the request to the intent: no attempt is sent after its [`latest`](Intent::latest) time, which is the
    /// time of a whole call from now on (five minutes, or [`timeout`](Self::timeout)), unless [`valid_for`](Self::valid_for)
    /// says otherwise. Awaited later, the request fails as [`IntentExpired`](ErrorKind::IntentExpired), and nothing is sent.
    /// Changing the action after that makes another intent.
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request), as awaiting this would give.
    pub fn intent(&self) -> Result<Intent, Error> {
        if let Some(bound) = self.bound.get() {
            return Ok(bound.clone());
        }
        let (_, body) = self.parts()?;
        let intent = self.new_intent(&body)?;
        Ok(self.bound.get_or_init(|| intent).clone())
    }

    /// How long the intent is valid: no attempt is sent after that, the second request of
    /// [`resend_if_lost`](Self::resend_if_lost) included. Default: the time of a whole call, five minutes or
    /// [`timeout`](Self::timeout). Call it before [`intent`](Self::intent).
    pub fn valid_for(mut self, valid_for: Duration) -> Self {
        self.valid_for = Some(valid_for);
        self
    }

    /// Sends a second request, if the response to the first was lost and the service's list shows no action that may be this
    /// one after two minutes (the client's [`grace`](crate::DefenderClientBuilder::visibility_timeout)).
    ///
    /// A late first request **may still take effect**, so that the action may be done twice. Without this it never is.
    /// Where the list cannot be read, or has an action of the same type on that machine which began in the 15 minutes before, or
    /// the intent has expired, no second request is sent.
    pub fn resend_if_lost(mut self) -> Self {
        self.resend_if_lost = true;
        self
    }

    /// Refuses ([`Conflict`](ErrorKind::Conflict)) while the action's inverse is under way on the machine, such as an
    /// isolation that would be done after the release that is asked for. It looks first and asks then, so that an inverse
    /// from somewhere else may still slip in between.
    pub fn refuse_if_inverse_pending(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// Reads the machine's record first, and refuses ([`UnsuitableMachine`](ErrorKind::UnsuitableMachine)) where something speaks against the
    /// action: the machine is inactive, has left the service or was merged into another, or its system does not support the
    /// action. Needs the permission to read machines. [`MachineHandle::check`](crate::MachineHandle::check) only says so.
    pub fn check_machine(mut self) -> Self {
        self.check_machine = true;
        self
    }

    /// How long the sending may take, queue and resendings included. Default: the client's. Finding out what became of a lost
    /// answer may take two minutes more.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Asks for the action: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// Where the answer is lost, or says that one is pending, it looks for the action for up to two minutes.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]. After [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) the action may be on its way, and after no other.
    pub fn send(self) -> impl Future<Output = Result<Submitted, Error>> + Send + 'static {
        async move {
            let (path, body) = self.parts()?;
            let intent = match self.bound.get() {
                Some(bound) => bound.clone(),
                None => self.new_intent(&body)?,
            };
            let request = self.call(path, with_generated_id(body, &intent));
            let Self { client, action, resend_if_lost, ordered, check_machine, .. } = self;
            let unsendable = |source| Error::new(ErrorKind::Request).context(A::TYPE).caused_by(source);
            let rule: Arc<dyn ParticularsRule> = Arc::new(action.map_err(unsendable)?);
            let telling = ActionSpan::of(A::TYPE, intent.machine_id.as_str());
            let attempt = Attempt {
                client,
                expected: Arc::new(Expected { intent: Arc::new(intent), rule }),
                request,
                resend_if_lost,
                refuse_pending: A::INVERSE.filter(|_| ordered),
                check_machine: check_machine.then_some(A::PLATFORMS),
            };
            let (outcome, attempts) = telling.around(attempt.run(&telling)).await;
            telling.ended(&outcome, attempts);
            outcome
        }
    }

    /// The request as it would be sent, without sending it: for a dry run, a log, or a test. It has no token, which is put on
    /// when it is sent; its extensions are what the layers go by. Where external ids are generated, it binds the request to
    /// its id as [`intent`](Self::intent) does.
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request), as awaiting this would give.
    pub fn request(&self) -> Result<Request<Bytes>, Error> {
        let (path, mut body) = self.parts()?;
        if self.client.inner().external_ids == ExternalIds::Generated {
            body = with_generated_id(body, &self.intent()?);
        }
        self.call(path, body).into_request(self.client.inner(), JSON)
    }

    /// The path and the body, or why there are none.
    fn parts(&self) -> Result<(String, Vec<u8>), Error> {
        let path = format!("/machines/{}/{}", self.machine, A::SEGMENT);
        let unsendable = || Error::new(ErrorKind::Request).context(format!("POST {path}"));
        let action = self.action.as_ref().map_err(|source| unsendable().caused_by(source.clone()))?;
        if !is_segment(A::SEGMENT) {
            return Err(unsendable().caused_by("an action's segment has letters, digits, `-`, `_` and `.` only"));
        }
        let body = serde_json::to_vec(action).map_err(|source| unsendable().caused_by(source))?;
        Ok((path, body))
    }

    /// The intent of the request with this body, which may get a generated external id.
    fn new_intent(&self, body: &[u8]) -> Result<Intent, Error> {
        let wrong = |source: serde_json::Error| Error::new(ErrorKind::Request).context(A::TYPE).caused_by(source);
        let mut body: Value = read_json(body).map_err(wrong)?;
        let inner = self.client.inner();
        let mut is_generated = false;
        if let (ExternalIds::Generated, Some(fields)) = (inner.external_ids, body.as_object_mut())
            && !fields.contains_key(EXTERNAL_ID)
        {
            fields.insert(EXTERNAL_ID.to_owned(), Value::from(external_id::generate()));
            is_generated = true;
        }
        let valid_for = self.valid_for.or(self.timeout).unwrap_or(inner.total_timeout);
        Ok(Intent::new(&self.machine, A::TYPE, body, is_generated, (inner.clock.now(), valid_for)))
    }

    fn call(&self, path: String, body: Vec<u8>) -> Call {
        Call { operation: Operation::of_action::<A>(), path, timeout: self.timeout, body: Some(body) }
    }
}

const EXTERNAL_ID: &str = "ExternalId";

/// The body with the generated id of the intent, if it has one, at its end: the rest stays as the action wrote it.
fn with_generated_id(mut body: Vec<u8>, intent: &Intent) -> Vec<u8> {
    if intent.has_generated_id()
        && let Some(id) = intent.external_id()
        && body.pop() == Some(b'}')
    {
        let comma = if body.ends_with(b"{") { "" } else { "," };
        body.extend_from_slice(format!("{comma}\"{EXTERNAL_ID}\":\"{id}\"}}").as_bytes());
    }
    body
}

impl<A: WithExternalId> ActionRequest<A> {
    /// Sets the caller's own id of the action. It is sent instead of a
    /// [generated](crate::DefenderClientBuilder::external_ids) one, and confirms a record that has it; it is not taken for
    /// unique. Its name in requests is from the service's OData metadata.
    pub fn external_id(self, external_id: impl Into<String>) -> Self {
        self.changed(|action| action.with_external_id(external_id.into()))
    }
}

impl ActionRequest<Isolate> {
    /// Leaves the network to a limited set of applications.
    pub fn selective(self) -> Self {
        self.isolation_type(IsolationType::Selective)
    }

    /// For a machine that is not onboarded: the onboarded ones are told to block it.
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
        // What was given out is the intent of another request.
        self.bound = OnceLock::new();
        self
    }
}

/// Whether it can stand in a path and change nothing else there.
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
