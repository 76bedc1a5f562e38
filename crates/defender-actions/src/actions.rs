//! The handle of an action.

use defender_model::{ActionId, MachineAction};

use crate::{DefenderClient, Request, submit::record::read};

impl DefenderClient {
    /// Returns the handle of an action, which may be old or from another process. Nothing is sent.
    #[must_use]
    pub fn action(&self, id: ActionId) -> ActionHandle {
        ActionHandle::new(self.clone(), id)
    }
}

/// Handle of one action, by its id. It owns its client.
///
/// ```no_run
/// use defender_actions::{DefenderClient, model::ActionId};
///
/// # async fn example(defender: DefenderClient, stored: ActionId) -> Result<(), defender_actions::Error> {
/// let action = defender.action(stored);
/// println!("{}", action.get().await?.status);
/// let done = action.wait().await?;
/// # Ok(())
/// # }
/// ```
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
        read(&self.client, &self.id)
    }
}
