//! An action that is about to be asked for.

use defender_model::{Action, Isolate, IsolationType, MachineAction, MachineId, WithExternalId};
use defender_transport::extensions::Resend;
use http::Method;

use crate::{BoxFuture, DefenderClient, Error, ErrorKind, Submitted, call::Call};

/// An action that is about to be asked for. Nothing is sent before it is awaited, and it is sent once.
///
/// Dropping the future while it waits for the answer leaves it unknown whether the action was taken.
#[derive(Debug)]
#[must_use = "nothing is sent until this is awaited"]
pub struct Perform<A> {
    client: DefenderClient,
    machine: MachineId,
    action: Result<A, defender_model::Error>,
}

impl<A: Action> Perform<A> {
    pub(crate) fn new(client: DefenderClient, machine: MachineId, action: Result<A, defender_model::Error>) -> Self {
        Self { client, machine, action }
    }

    /// Asks for the action: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]. [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) and
    /// [`AnswerUnreadable`](ErrorKind::AnswerUnreadable) are the two after which the action may be on its way.
    pub fn send(self) -> impl Future<Output = Result<Submitted, Error>> + Send + 'static {
        async move {
            let Self { client, machine, action } = self;
            let unsendable = |path: &str| Error::new(ErrorKind::Request).context(format!("POST {path}"));
            let path = format!("/machines/{machine}/{}", A::SEGMENT);
            let action = action.map_err(|source| unsendable(&path).caused_by(source))?;
            if !is_segment(A::SEGMENT) {
                return Err(
                    unsendable(&path).caused_by("an action's segment has letters, digits, `-`, `_` and `.` only")
                );
            }
            let body = serde_json::to_vec(&action).map_err(|source| unsendable(&path).caused_by(source))?;
            let call = Call {
                method: Method::POST,
                path,
                template: format!("/machines/{{id}}/{}", A::SEGMENT),
                quota: A::QUOTA,
                resend: Resend::Never,
                body: Some(body),
            };
            let record: MachineAction = client.inner().call(call).await?;
            Ok(Submitted::new(client, record))
        }
    }
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
