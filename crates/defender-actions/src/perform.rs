//! An action that is about to be asked for.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use defender_model::{Action, ActionType, Isolate, IsolationType, MachineAction, MachineId, WithExternalId};
use defender_transport::extensions::Resend;
use futures_util::TryStreamExt;
use http::{Method, Request};

use crate::{
    BoxFuture, DefenderClient, Error, ErrorKind, Intent, Submitted, UnknownReason,
    call::{Call, ENTITY, JSON},
    check::concerns,
    departure::Departure,
    outcome::Sending,
    telling::Telling,
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
pub struct Perform<A> {
    client: DefenderClient,
    machine: MachineId,
    action: Result<A, defender_model::Error>,
    resend_if_lost: bool,
    ordered: bool,
    machine_checked: bool,
    timeout: Option<Duration>,
}

impl<A: Action> Perform<A> {
    pub(crate) fn new(client: DefenderClient, machine: MachineId, action: Result<A, defender_model::Error>) -> Self {
        Self { client, machine, action, resend_if_lost: false, ordered: false, machine_checked: false, timeout: None }
    }

    /// What is about to be asked for, to be written down before it is: whoever has it can find out what became of the action
    /// after a crash, with [`DefenderClient::recover`].
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request), as awaiting this would give.
    pub fn intent(&self) -> Result<Intent, Error> {
        let (_, body) = self.parts()?;
        self.written_down(&body)
    }

    /// Asks for the action a second time, if the answer to the first was lost and no action has appeared within two minutes (the
    /// client's [`grace`](crate::DefenderClientBuilder::grace)). Where it cannot be looked for, it is not sent again.
    ///
    /// A late first request **may still take effect**, so that the action may be done twice. Without this it never is.
    pub fn resend_if_lost(mut self) -> Self {
        self.resend_if_lost = true;
        self
    }

    /// Refuses ([`Conflict`](ErrorKind::Conflict)) while the action's inverse is under way on the machine, such as an
    /// isolation that would be done after the release that is asked for. It looks first and asks then, so that an inverse
    /// from somewhere else may still slip in between.
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// Reads the machine's record first, and refuses ([`Unsuitable`](ErrorKind::Unsuitable)) where something speaks against the
    /// action: the machine is inactive, has left the service or was merged into another, or its system does not support the
    /// action. Needs the permission to read machines. [`MachineHandle::check`](crate::MachineHandle::check) only says so.
    pub fn machine_checked(mut self) -> Self {
        self.machine_checked = true;
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
            let intent = self.written_down(&body)?;
            let telling = Telling::of(A::TYPE, self.machine.as_str());
            let (outcome, attempts) = telling.around(self.asked(path, body, &intent, &telling)).await;
            telling.ended(&outcome, attempts);
            outcome
        }
    }

    /// What is to be looked at before anything is sent.
    async fn looked_at_first(&self) -> Result<(), Error> {
        if self.ordered {
            refuse_inverse::<A>(&self.client, &self.machine).await?;
        }
        if self.machine_checked {
            refuse_unsuitable::<A>(&self.client, &self.machine).await?;
        }
        Ok(())
    }

    /// Asks, and finds out what became of it; and says how many sendings it took.
    async fn asked(
        &self,
        path: String,
        body: Vec<u8>,
        intent: &Intent,
        telling: &Telling,
    ) -> (Result<Submitted, Error>, u32) {
        let client = &self.client;
        if let Err(error) = Box::pin(self.looked_at_first()).await {
            // Nothing of the action itself was sent.
            return (Err(error.certainly_never_sent()), 0);
        }
        let same_intent = |existing: &MachineAction| self.is_meant(existing);
        let mut sendings = if self.resend_if_lost { 2_u8 } else { 1 };
        let (mut attempts, mut since) = (0_u32, None);
        // That of a sending that may still have taken effect, or may yet.
        let mut doubt = None;
        let outcome = loop {
            let (asked_at, departure) = (client.inner().clock.now(), Departure::default());
            let asking = client.inner().claimed.asking(intent, departure.clone());
            let call = self.call(path.clone(), body.clone());
            let answer = client.inner().call_noted(call, JSON, &departure, |body| serde_json::from_slice(body)).await;
            let departed = departure.last().unwrap_or(asked_at);
            let sending = Sending { client, intent, same_intent: &same_intent, since: *since.get_or_insert(departed) };
            let error = match answer {
                Ok((record, took)) => {
                    attempts = attempts.saturating_add(took);
                    break sending.answered(record, departed);
                }
                Err(error) => error,
            };
            drop(asking);
            attempts = attempts.saturating_add(error.attempts());
            sendings = sendings.saturating_sub(1);
            // What is rarely needed is large, and is made only then.
            match error.kind() {
                ErrorKind::AlreadyInProgress => {
                    telling.looking(&error);
                    break Box::pin(sending.join(error)).await;
                }
                // Here the action has been taken, so that sending it again would do it twice.
                ErrorKind::AnswerUnreadable => {
                    telling.looking(&error);
                    break Box::pin(sending.recover(error)).await;
                }
                ErrorKind::OutcomeUnknown => {
                    telling.looking(&error);
                    match Box::pin(sending.recover(error)).await {
                        Err(unknown) if unknown.reason() == Some(UnknownReason::NothingFound) && sendings > 0 => {
                            doubt = Some(unknown);
                        }
                        known => break known,
                    }
                }
                _ => break Err(error),
            }
        };
        let outcome = match (outcome, doubt) {
            // Whatever became of the second sending, it says nothing of the first.
            (Err(error), Some(doubt)) if !error.is_outcome_unknown() => {
                Err(doubt.caused_by(error).after(attempts, None))
            }
            (outcome, _) => outcome,
        };
        (outcome, attempts)
    }

    /// The request as it would be sent, without sending it: for a dry run, a log, or a test. It bears no token, which is put on at
    /// the departure; in its extensions is what the layers are told of it.
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request), as awaiting this would give.
    pub fn request(&self) -> Result<Request<Bytes>, Error> {
        let (path, body) = self.parts()?;
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

    fn written_down(&self, body: &[u8]) -> Result<Intent, Error> {
        Intent::new::<A>(&self.machine, body, self.client.inner().clock.now())
            .map_err(|source| Error::new(ErrorKind::Request).context(A::TYPE).caused_by(source))
    }

    fn is_meant(&self, existing: &MachineAction) -> bool {
        self.action.as_ref().is_ok_and(|action| action.same_intent(existing))
    }

    fn call(&self, path: String, body: Vec<u8>) -> Call<'static> {
        Call {
            method: Method::POST,
            path,
            template: format!("/machines/{{id}}/{}", A::SEGMENT),
            quota: A::QUOTA,
            resend: Resend::Never,
            read: ENTITY,
            timeout: self.timeout,
            body: Some(body),
        }
    }
}

/// Fails where the machine's record speaks against `A`.
async fn refuse_unsuitable<A: Action>(client: &DefenderClient, machine: &MachineId) -> Result<(), Error> {
    let record = client.machine(machine.clone()).get().await?;
    let concerns = concerns(A::TYPE, &record);
    if concerns.is_empty() {
        return Ok(());
    }
    let concerns = concerns.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let what = format!("{} of machine {machine}", A::TYPE);
    Err(Error::new(ErrorKind::Unsuitable).context(what).caused_by(concerns).of_machines(vec![record]))
}

/// Fails while the inverse of `A` is under way on the machine.
async fn refuse_inverse<A: Action>(client: &DefenderClient, machine: &MachineId) -> Result<(), Error> {
    let Some(inverse) = A::INVERSE else { return Ok(()) };
    let of_inverse =
        MachineAction::MACHINE_ID.eq(machine).and(MachineAction::ACTION_TYPE.eq(ActionType::from(inverse)));
    let mut actions = pin!(client.actions().filter(of_inverse).stream());
    while let Some(action) = actions.try_next().await? {
        if !action.status.is_terminal() {
            let what = format!("{} of machine {machine}", A::TYPE);
            return Err(Error::new(ErrorKind::Conflict).context(what).about(Some(action)));
        }
    }
    Ok(())
}

impl<A: WithExternalId> Perform<A> {
    /// Gives the action an id under which the caller knows it, such as a ticket's, so that it is told apart from any other
    /// of its kind. The service tells of it in its records and in no page on requests, so that its name is inferred.
    pub fn external_id(self, external_id: impl Into<String>) -> Self {
        self.changed(|action| action.with_external_id(external_id.into()))
    }
}

impl Perform<Isolate> {
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

impl<A> Perform<A> {
    fn changed(mut self, change: impl FnOnce(A) -> A) -> Self {
        self.action = self.action.map(change);
        self
    }
}

/// Whether it can stand in a path and change nothing else there.
fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && !text.starts_with('.') && text.bytes().all(allowed)
}

impl<A: Action> IntoFuture for Perform<A> {
    type Output = Result<Submitted, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
