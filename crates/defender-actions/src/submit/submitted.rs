//! An action that the service has taken.

use std::{fmt, sync::Arc};

use defender_model::{ActionId, MachineAction};

use crate::{ActionHandle, Cancel, DefenderClient, Intent, Wait, submit::reconcile::ParticularsRule};

/// How it is known that the service has taken an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The response says so, and the action is new: its comment is the submission's (or its generated external id is), it was
    /// created in the time of the submission, nothing in it is different, and no earlier response had shown it.
    ///
    /// The service may answer with an action that is there already. One that another process asked for with the same
    /// comment within the last seconds cannot be told from a new one, unless the external ids are
    /// [generated](crate::ExternalIds::Generated). No two submissions of one client are `Created` with the same action; of two
    /// that ask for the same at the same time with the same comment, each may be given the other's.
    Created,
    /// An action of this type with these particulars is in progress, which the service responded with or refused the request
    /// for. It may be somebody else's, or another submission's of yours, and may be younger than a refusal.
    Joined,
    /// The response was lost, and the action was found in the service's list: by its generated external id, or as the only
    /// one that can be it. Without generated ids it may be another process's that asked for the same with the same comment
    /// at the same time. No two submissions of one client hold the same action.
    Recovered,
}

/// What the record of a submission must not contradict.
pub(crate) struct Expected {
    pub(crate) intent: Arc<Intent>,
    pub(crate) rule: Arc<dyn ParticularsRule>,
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("intent", &self.intent).finish_non_exhaustive()
    }
}

/// An action that the service has taken, as its record stood then.
#[derive(Clone, Debug)]
pub struct Submitted {
    client: DefenderClient,
    action: MachineAction,
    origin: Origin,
    expected: Arc<Expected>,
}

impl Submitted {
    pub(crate) fn new(client: DefenderClient, action: MachineAction, origin: Origin, expected: Arc<Expected>) -> Self {
        Self { client, action, origin, expected }
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

    /// The action by its id: to read its record, and what it brought home. Nothing is sent.
    #[must_use]
    pub fn handle(&self) -> ActionHandle {
        self.client.action(self.action.id.clone())
    }

    /// *Cancel*: takes the action back, if it has not been done yet. An action that is not [`Created`](Origin::Created) may be
    /// somebody else's, and is cancelled only with [`even_if_not_ours`](Cancel::even_if_not_ours).
    pub fn cancel(&self, comment: impl Into<String>) -> Cancel {
        let (id, is_ours) = (self.action.id.clone(), self.origin == Origin::Created);
        Cancel::new(self.client.clone(), id, comment, is_ours).expecting(&self.action)
    }

    /// Waits until the action has ended. `Ok` only when it succeeded, and its record is still that of what was asked for:
    /// a record that comes to state another machine, type or particulars ends the wait as
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    pub fn wait(&self) -> Wait {
        let last = Some(self.action.clone());
        Wait::new(self.client.clone(), self.action.id.clone(), last).expecting(Arc::clone(&self.expected))
    }
}
