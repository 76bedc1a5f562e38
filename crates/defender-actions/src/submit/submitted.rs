//! An action that the service has accepted.

use std::sync::Arc;

use defender_model::{ActionId, MachineAction};

use crate::{
    ActionHandle, Cancel, DefenderClient, Wait,
    submit::{expected::Expected, identity::Identity},
};

/// Evidence that the service has accepted an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The response has the record of a new action: it has the submission's comment or generated external id, it was created in
    /// the time of the submission, nothing in it is different, and no earlier response had shown it.
    ///
    /// The service may respond with an existing action. An action of another process with the same comment that was created
    /// within the last seconds cannot be distinguished from a new one, unless the external ids are
    /// [generated](crate::ExternalIds::Generated). No two submissions of one client are `Created` with the same action. Two
    /// concurrent submissions of the same action with the same comment may each get the record of the other.
    Created,
    /// An action of this type with these particulars is in progress. The service responded with it, or refused the request because
    /// of this action. It may belong to another caller or to another submission of yours, and may be younger than a refusal.
    Joined,
    /// The response was lost, and the service's list has the action: by its generated external id, or as the only action that can
    /// be the submission's. Without generated ids it may be the same action with the same comment that another process submitted
    /// at the same time. No two submissions of one client get the same action.
    Recovered,
}

/// Action that the service has accepted, with its record at that time.
#[derive(Clone, Debug)]
pub struct Submitted {
    client: DefenderClient,
    action: MachineAction,
    origin: Origin,
    identity: Identity,
}

impl Submitted {
    pub(crate) fn new(client: DefenderClient, action: MachineAction, origin: Origin, expected: Arc<Expected>) -> Self {
        Self { client, action, origin, identity: Identity::Submitted(expected) }
    }

    /// Returns an accepted action for a test. Later records are compared with this one.
    #[cfg(feature = "testing")]
    pub(crate) fn of_record(client: DefenderClient, action: MachineAction, origin: Origin) -> Self {
        let identity = Identity::recorded(&action);
        Self { client, action, origin, identity }
    }

    /// Returns the evidence that the service has accepted the action.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Returns the record of the response. It does not change; [`wait`](Self::wait) returns later records.
    #[must_use]
    pub fn action(&self) -> &MachineAction {
        &self.action
    }

    /// Returns the action's id. Store it: a later process needs only the id to wait for the action.
    #[must_use]
    pub fn id(&self) -> &ActionId {
        &self.action.id
    }

    /// Returns the handle of the action, to read its record and its results. Nothing is sent.
    #[must_use]
    pub fn handle(&self) -> ActionHandle {
        self.client.action(self.action.id.clone())
    }

    /// *Cancel*: cancels the action, if it has not been performed yet. An action that is not [`Created`](Origin::Created) may belong
    /// to another caller, and is cancelled only with [`even_if_not_ours`](Cancel::even_if_not_ours).
    pub fn cancel(&self, comment: impl Into<String>) -> Cancel {
        let (id, is_ours) = (self.action.id.clone(), self.origin == Origin::Created);
        Cancel::new(self.client.clone(), id, comment, is_ours).expecting(&self.action)
    }

    /// Waits until the action has ended. Returns `Ok` only if the action succeeded and its record still matches the submission: a
    /// record that states another machine, type or other particulars ends the wait as
    /// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    pub fn wait(&self) -> Wait {
        let last = Some(self.action.clone());
        Wait::new(self.client.clone(), self.action.id.clone(), last).identified(self.identity.clone())
    }
}
