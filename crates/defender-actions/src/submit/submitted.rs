//! An action that the service has accepted.

use std::sync::Arc;

use defender_model::{ActionId, MachineAction};

use crate::{
    ActionHandle, Cancel, DefenderClient, Origin, Wait,
    submit::{expected::Expected, identity::Identity},
};

/// Action that the service has accepted, with its record at that time.
///
/// ```no_run
/// use defender_actions::{DefenderClient, Origin};
///
/// # async fn example(defender: DefenderClient) -> Result<(), Box<dyn std::error::Error>> {
/// let machine = defender.machine("1e5bc9d7e413ddd7902c2932e418702b84d0cc07".parse()?);
/// let submitted = machine.isolate("Ransomware").await?;
/// match submitted.origin() {
///     Origin::Created => println!("new: {}", submitted.id()),
///     Origin::Joined => println!("already in progress: {}", submitted.id()),
///     _ => println!("found after a lost response: {}", submitted.id()),
/// }
/// let done = submitted.wait().await?; // Ok only if the action succeeded
/// # Ok(())
/// # }
/// ```
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

    /// Returns what is known of the action, for waits.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
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
