//! An action that the service has taken.

use defender_model::{ActionId, MachineAction};

use crate::{Cancel, DefenderClient, Wait};

/// How it is known that the service has taken an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The service's answer says so, and the action is new.
    ///
    /// The service may answer with an action that is there already, and one that another process, or another submission of yours
    /// that has no answer yet, asked for with the same comment and without an external id within the last few seconds cannot be
    /// told from a new one. Where both have external ids, these tell them apart. No two submissions of one client hold the same
    /// action.
    Created,
    /// An action was there already that is what was asked for, perhaps somebody else's. Nothing new was made.
    Joined,
    /// The answer was lost, and an action was found: *an action of your intent and principal exists; without an external id it may
    /// be another process's, or another submission's of yours with the same comment*. No two submissions of one client hold the
    /// same action.
    Recovered,
}

/// An action that the service has taken, as its record stood then.
#[derive(Clone, Debug)]
pub struct Submitted {
    client: DefenderClient,
    action: MachineAction,
    origin: Origin,
}

impl Submitted {
    pub(crate) fn new(client: DefenderClient, action: MachineAction, origin: Origin) -> Self {
        Self { client, action, origin }
    }

    /// How it is known that the service has taken the action.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
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

    /// *Cancel*: takes the action back, if it has not been done yet. What was not [`Created`](Origin::Created) may be somebody
    /// else's, and is cancelled only with [`even_if_not_ours`](Cancel::even_if_not_ours).
    pub fn cancel(&self, comment: impl Into<String>) -> Cancel {
        Cancel::new(self.client.clone(), self.action.id.clone(), comment, self.origin == Origin::Created)
    }

    /// Waits until the action has ended. `Ok` only when it succeeded.
    pub fn wait(&self) -> Wait {
        Wait::new(self.client.clone(), self.action.id.clone(), Some(self.action.clone()))
    }
}
