//! An action that the service has taken.

use defender_model::{ActionId, MachineAction};

use crate::{DefenderClient, Wait};

/// An action that the service has taken, as its record stood then.
#[derive(Clone, Debug)]
pub struct Submitted {
    client: DefenderClient,
    action: MachineAction,
}

impl Submitted {
    pub(crate) fn new(client: DefenderClient, action: MachineAction) -> Self {
        Self { client, action }
    }

    /// The record with which the service answered. It does not change; [`wait`](Self::wait) gives later ones.
    #[must_use]
    pub fn action(&self) -> &MachineAction {
        &self.action
    }

    /// The action's id. Write it down: it is all that a later process needs to wait for the action.
    #[must_use]
    pub fn id(&self) -> &ActionId {
        &self.action.id
    }

    /// Waits until the action has ended. `Ok` only when it succeeded.
    pub fn wait(&self) -> Wait {
        Wait::new(self.client.clone(), self.action.id.clone(), Some(self.action.clone()))
    }
}
