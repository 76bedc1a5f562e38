//! One action, by its id.

use std::time::Duration;

use defender_model::{ActionId, CancelMachineAction, Limit, MachineAction};
use defender_transport::extensions::Resend;
use http::Method;

use crate::{
    BoxFuture, DefenderClient, Error, ErrorKind, Wait,
    call::{Call, ENTITY},
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
    /// Needs the permission `Machine.Read.All` or `Machine.ReadWrite.All`, of a user `Machine.Read` or
    /// `Machine.ReadWrite`. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineaction-object>.
    pub fn get(&self) -> GetAction {
        GetAction { client: self.client.clone(), id: self.id.clone(), timeout: None }
    }

    /// Waits until the action has ended. `Ok` only when it succeeded.
    pub fn wait(&self) -> Wait {
        Wait::new(self.client.clone(), self.id.clone(), None)
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
    timeout: Option<Duration>,
}

impl Cancel {
    pub(crate) fn new(client: DefenderClient, id: ActionId, comment: impl Into<String>, allowed: bool) -> Self {
        Self { client, id, request: CancelMachineAction::new(comment), allowed, timeout: None }
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
    /// # Errors
    ///
    /// See [`ErrorKind`]. After [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), the action's record tells what became of it.
    pub fn send(self) -> impl Future<Output = Result<MachineAction, Error>> + Send + 'static {
        async move {
            let Self { client, id, request, allowed, timeout } = self;
            let path = format!("/machineactions/{id}/cancel");
            let unsendable = || Error::new(ErrorKind::Request).context(format!("POST {path}"));
            if !allowed {
                return Err(unsendable().caused_by("it was not created here; say `.even_if_not_ours()` if it is meant"));
            }
            let request = request.map_err(|source| unsendable().caused_by(source))?;
            let body = serde_json::to_vec(&request).map_err(|source| unsendable().caused_by(source))?;
            let call = Call {
                method: Method::POST,
                path,
                template: "/machineactions/{id}/cancel".to_owned(),
                quota: Limit::GENERAL,
                resend: Resend::Never,
                read: ENTITY,
                timeout,
                body: Some(body),
            };
            client.inner().call(call).await
        }
    }
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
            let Self { client, id, timeout } = self;
            let path = format!("/machineactions/{id}");
            let what = format!("GET {path}");
            let call = Call {
                method: Method::GET,
                path,
                template: "/machineactions/{id}".to_owned(),
                quota: Limit::GENERAL,
                resend: Resend::Safe,
                read: ENTITY,
                timeout,
                body: None,
            };
            let action: MachineAction = client.inner().call(call).await?;
            // Another action's end must not be taken for this one's.
            if !action.id.as_str().eq_ignore_ascii_case(id.as_str()) {
                let other = format!("it is about the action {}", action.id);
                return Err(Error::new(ErrorKind::AnswerUnreadable).context(what).retryable(true).caused_by(other));
            }
            Ok(action)
        }
    }
}

impl IntoFuture for GetAction {
    type Output = Result<MachineAction, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
