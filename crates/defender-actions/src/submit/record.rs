//! The read of an action's record.

use defender_model::{ActionId, MachineAction};

use crate::{
    DefenderClient, Error, ErrorKind, Request,
    client::{call::Call, operation::Operation},
};

/// Returns the call that reads the record of an action.
pub(crate) fn read_call(id: &ActionId) -> Call {
    Call::new(Operation::GET_ACTION, format!("/machineactions/{id}"))
}

/// Returns whether the record is that of the action `id`, letter case aside.
pub(crate) fn is_about(record: &MachineAction, id: &ActionId) -> bool {
    record.id.as_str().eq_ignore_ascii_case(id.as_str())
}

/// Returns the request that reads the record of an action.
pub(crate) fn read(client: &DefenderClient, id: &ActionId) -> Request<MachineAction> {
    let id = id.clone();
    Request::new(client, Ok(read_call(&id)), move |client, call| async move {
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
        inner.saw(std::slice::from_ref(&action));
        Ok(action)
    })
}
