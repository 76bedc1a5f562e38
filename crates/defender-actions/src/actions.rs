//! The handle of an action.

use defender_model::{ActionId, MachineAction};

use crate::{
    DefenderClient, Error, ErrorKind, Request,
    client::{call::Call, operation::Operation},
};

impl DefenderClient {
    /// Returns the handle of an action, which may be old or from another process. Nothing is sent.
    #[must_use]
    pub fn action(&self, id: ActionId) -> ActionHandle {
        ActionHandle::new(self.clone(), id)
    }
}

/// Handle of one action, by its id. It owns its client.
#[derive(Clone, Debug)]
pub struct ActionHandle {
    pub(crate) client: DefenderClient,
    pub(crate) id: ActionId,
}

impl ActionHandle {
    pub(crate) fn new(client: DefenderClient, id: ActionId) -> Self {
        Self { client, id }
    }

    /// Returns the action's id.
    #[must_use]
    pub fn id(&self) -> &ActionId {
        &self.id
    }

    /// Reads the current record of the action.
    ///
    /// Permission: `Machine.ReadWrite.All`, for a user `Machine.ReadWrite`, by the current page. An older page and a 403 of the service
    /// name `Machine.Read.All` and `Machine.Read` as well. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineaction-object>.
    pub fn get(&self) -> Request<MachineAction> {
        let id = self.id.clone();
        Request::new(&self.client, Ok(read(&id)), move |client, call| async move {
            let (inner, context) = (client.inner(), call.context());
            let action: MachineAction = inner.call(call).await.map_err(|error| error.with_action_id(&id))?;
            // The end of another action must not count as the end of this one.
            if !is_about(&action, &id) {
                return Err(Error::new(ErrorKind::InvalidResponse)
                    .context(context)
                    .retryable(true)
                    .with_action_id(&id)
                    .caused_by(format!("the response is about action {}", action.id)));
            }
            inner.saw(&action);
            Ok(action)
        })
    }
}

/// Returns the call that reads the record of an action.
pub(crate) fn read(id: &ActionId) -> Call {
    Call::new(Operation::GET_ACTION, format!("/machineactions/{id}"))
}

/// Returns whether the record is that of the action `id`, letter case aside.
pub(crate) fn is_about(record: &MachineAction, id: &ActionId) -> bool {
    record.id.as_str().eq_ignore_ascii_case(id.as_str())
}
