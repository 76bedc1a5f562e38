//! One action, by its id.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use defender_model::{ActionId, ActionStatus, CancelMachineAction, MachineAction};
use http::Request;

use crate::{
    BoxFuture, DefenderClient, Download, Error, ErrorKind, LiveResponseResult, Wait,
    client::{
        call::{Call, JSON},
        operation::Operation,
    },
    files::link::LinkKind,
    submit::identity::Identity,
};

/// One action, by its id. It owns its client.
#[derive(Clone, Debug)]
pub struct ActionHandle {
    client: DefenderClient,
    id: ActionId,
}

impl ActionHandle {
    pub(crate) fn new(client: DefenderClient, id: ActionId) -> Self {
        Self { client, id }
    }

    /// The action's id.
    #[must_use]
    pub fn id(&self) -> &ActionId {
        &self.id
    }

    /// Reads the action's record as it is now.
    ///
    /// Needs the permission `Machine.ReadWrite.All`, of a user `Machine.ReadWrite`, as today's page says; an older page, and a 403 of
    /// the service, name `Machine.Read.All` and `Machine.Read` as well. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineaction-object>.
    pub fn get(&self) -> GetAction {
        GetAction { client: self.client.clone(), id: self.id.clone(), timeout: None }
    }

    /// Waits until the action has ended. `Ok` only when it succeeded.
    pub fn wait(&self) -> Wait {
        Wait::new(self.client.clone(), self.id.clone(), None)
    }

    /// The investigation package that the action collected, to be downloaded. Nothing is sent.
    ///
    /// Needs the permission `Machine.Read.All` or `Machine.ReadWrite.All`, of a user `Machine.CollectForensics`; 2 calls a minute
    /// and 120 an hour. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-package-sas-uri>.
    ///
    /// ```no_run
    /// # use defender_actions::DefenderClient;
    /// # async fn example(defender: DefenderClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let collected = defender.machine("m1".parse()?).collect_investigation_package("Ticket 4711").await?;
    /// collected.wait().await?;
    /// let saved = defender.action(collected.id().clone()).package().save_as("package.zip").await?;
    /// println!("{} bytes, SHA-256 {}", saved.size(), saved.sha256());
    /// # Ok(())
    /// # }
    /// ```
    pub fn package(&self) -> Download {
        Download::new(self.client.clone(), self.id.clone(), LinkKind::Package)
    }

    /// The result of the live response command with this index, counted from 0 in the order in which they were asked for.
    /// Nothing is sent.
    ///
    /// Needs the permission `Machine.Read.All` or `Machine.ReadWrite.All`, of a user `Machine.LiveResponse`. Source:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result>.
    #[must_use]
    pub fn result(&self, index: u32) -> LiveResponseResult {
        LiveResponseResult::new(self.client.clone(), self.id.clone(), index)
    }
}

impl ActionHandle {
    /// *Cancel*: takes the action back, if it has not been done yet. The answer is the action's record.
    ///
    /// The service refuses with 400 what can no longer be cancelled ([`Refused`](ErrorKind::Refused)). Any one of the
    /// permissions in [`CancelMachineAction::PERMISSIONS`] allows it. A record that says `Cancelled` may have commands that
    /// were completed before. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/cancel-machine-action>.
    pub fn cancel(&self, comment: impl Into<String>) -> Cancel {
        // Whoever names an action by its id means it.
        Cancel::new(self.client.clone(), self.id.clone(), comment, true)
    }
}

/// A cancelling of an action. Nothing is sent before it is awaited, and it is sent once.
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

    /// Compares the records of the response and of later reads with this one.
    pub(crate) fn expecting(mut self, record: &MachineAction) -> Self {
        self.identity = Identity::recorded(record);
        self
    }

    /// Cancels also what this client did not create.
    pub fn even_if_not_ours(mut self) -> Self {
        self.allowed = true;
        self
    }

    /// How long the call may take, queue and resendings included. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Cancels: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// It is sent once. Where the answer is lost, the action's record is read until it tells that the action is cancelled, by
    /// whomever, for up to two minutes.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]. [`Refused`](ErrorKind::Refused) where it has ended already; after
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), which carries the record as last seen, it may still be cancelled.
    pub fn send(self) -> impl Future<Output = Result<MachineAction, Error>> + Send + 'static {
        async move {
            let mut identity = self.identity.clone();
            if !self.allowed {
                return Err(Error::new(ErrorKind::Request)
                    .context(self.what())
                    .caused_by("the action was not created here")
                    .advice("say `.even_if_not_ours()` if it is meant"));
            }
            let inner = self.client.inner();
            let error = match inner.call::<MachineAction>(self.call()?).await {
                Ok(record) if is_about(&record, &self.id) => {
                    return identity.check(&record).map(|()| record).map_err(|error| error.with_action_id(&self.id));
                }
                // A record of another action does not say what the request did to this one.
                Ok(record) => Error::new(ErrorKind::OutcomeUnknown)
                    .context(self.what())
                    .with_action_id(&self.id)
                    .caused_by(format!("the response is about action {}", record.id)),
                Err(error) => error.with_action_id(&self.id),
            };
            match error.kind() {
                ErrorKind::OutcomeUnknown | ErrorKind::InvalidResponse => Box::pin(self.look(error, identity)).await,
                _ => Err(error),
            }
        }
    }

    /// The request as it would be sent, without sending it. It bears no token, which is put on at the departure.
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request), as awaiting this would give.
    pub fn request(&self) -> Result<Request<Bytes>, Error> {
        self.call()?.into_request(self.client.inner(), JSON)
    }

    fn path(&self) -> String {
        format!("/machineactions/{}/cancel", self.id)
    }

    fn what(&self) -> String {
        format!("POST {}", self.path())
    }

    fn call(&self) -> Result<Call, Error> {
        let unsendable = || Error::new(ErrorKind::Request).context(self.what());
        let request = self.request.as_ref().map_err(|source| unsendable().caused_by(source.clone()))?;
        let body = serde_json::to_vec(request).map_err(|source| unsendable().caused_by(source))?;
        Ok(Call { operation: Operation::CANCEL, path: self.path(), timeout: self.timeout, body: Some(body) })
    }

    /// Reads the record until it tells that the action is cancelled, or that it has ended otherwise, or the grace has passed.
    /// The answer to the cancelling was lost.
    async fn look(self, lost: Error, mut identity: Identity) -> Result<MachineAction, Error> {
        let Self { client, id, .. } = self;
        let (clock, patience) = (Arc::clone(&client.inner().clock), client.inner().patience);
        let began = clock.elapsed();
        let left = || patience.grace.saturating_sub(clock.elapsed().saturating_sub(began));
        let (mut pauses, mut seen) = (patience.after_an_answer(), None);
        loop {
            let read = ActionHandle::new(client.clone(), id.clone()).get().timeout(left().max(LAST_LOOK)).await;
            if let Ok(action) = &read {
                identity.check(action).map_err(|error| error.with_action_id(&id))?;
            }
            match read {
                Ok(action) if is_cancelled(&action) => return Ok(action),
                // It has ended, so that a cancelling which is still on its way will be refused.
                Ok(action) if action.status.is_terminal() => {
                    let what = format!("{}, since it ended as {}", taking_back(&id), action.status);
                    return Err(Error::new(ErrorKind::Refused)
                        .context(what)
                        .caused_by(lost)
                        .with_action_id(&id)
                        .with_action(Some(action)));
                }
                Ok(action) => seen = Some(action),
                Err(error) if error.is_retryable() || error.is_not_found() => {}
                Err(error) => return Err(lost.with_cause_if_none(error).with_action(seen)),
            }
            if left().is_zero() {
                return Err(lost.with_action(seen));
            }
            clock.sleep(pauses.next().min(left())).await;
        }
    }
}

/// Whether the record is that of the action `id`, letter case aside.
fn is_about(record: &MachineAction, id: &ActionId) -> bool {
    record.id.as_str().eq_ignore_ascii_case(id.as_str())
}

/// How long the last look at a record may take, which begins as the grace ends.
const LAST_LOOK: Duration = Duration::from_secs(30);

fn taking_back(id: &ActionId) -> String {
    format!("the cancelling of action {id}")
}

/// Whether somebody has cancelled it, be it that the record's status does not say so yet.
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

/// A read of an action's record. Nothing is sent before it is awaited.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent until this is awaited"]
pub struct GetAction {
    client: DefenderClient,
    id: ActionId,
    timeout: Option<Duration>,
}

impl GetAction {
    /// How long the call may take, queue and resendings included. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Reads the record: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`].
    pub fn send(self) -> impl Future<Output = Result<MachineAction, Error>> + Send + 'static {
        async move {
            let (id, inner) = (&self.id, self.client.inner());
            let action: MachineAction = inner.call(self.call()).await.map_err(|error| error.with_action_id(id))?;
            // Another action's end must not be taken for this one's.
            if !is_about(&action, id) {
                let (what, other) =
                    (format!("GET /machineactions/{id}"), format!("it is about the action {}", action.id));
                return Err(Error::new(ErrorKind::InvalidResponse)
                    .context(what)
                    .retryable(true)
                    .with_action_id(id)
                    .caused_by(other));
            }
            inner.saw(&action);
            Ok(action)
        }
    }

    /// The request as it would be sent, without sending it. It bears no token, which is put on at the departure.
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request), as awaiting this would give.
    pub fn request(&self) -> Result<Request<Bytes>, Error> {
        self.call().into_request(self.client.inner(), JSON)
    }

    fn call(&self) -> Call {
        let path = format!("/machineactions/{}", self.id);
        Call { operation: Operation::GET_ACTION, path, timeout: self.timeout, body: None }
    }
}

impl IntoFuture for GetAction {
    type Output = Result<MachineAction, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
