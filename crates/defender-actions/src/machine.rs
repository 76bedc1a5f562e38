//! One machine, and what can be done to it.

use defender_model::{Action, MachineId, RestrictCodeExecution, UnrestrictCodeExecution};

use crate::{DefenderClient, Perform};

/// One machine, and what can be done to it. It owns its client.
#[derive(Clone, Debug)]
pub struct MachineHandle {
    client: DefenderClient,
    id: MachineId,
}

impl MachineHandle {
    pub(crate) fn new(client: DefenderClient, id: MachineId) -> Self {
        Self { client, id }
    }

    /// The machine's id.
    #[must_use]
    pub fn id(&self) -> &MachineId {
        &self.id
    }

    /// *Remove app restriction*: lets any code run again. See [`UnrestrictCodeExecution`].
    ///
    /// The comment is required, and kept in the audit trail as it is given; an empty or blank one is an error of the
    /// await, and nothing is sent.
    pub fn unrestrict_code_execution(&self, comment: impl Into<String>) -> Perform<UnrestrictCodeExecution> {
        self.perform_checked(UnrestrictCodeExecution::new(comment))
    }

    /// *Restrict app execution*: lets only code that Microsoft signed run. See [`RestrictCodeExecution`].
    ///
    /// The comment is required, and kept in the audit trail as it is given; an empty or blank one is an error of the
    /// await, and nothing is sent.
    pub fn restrict_code_execution(&self, comment: impl Into<String>) -> Perform<RestrictCodeExecution> {
        self.perform_checked(RestrictCodeExecution::new(comment))
    }

    /// Any action, also one that this library does not know: see [`Action`].
    pub fn perform<A: Action>(&self, action: A) -> Perform<A> {
        self.perform_checked(Ok(action))
    }

    fn perform_checked<A: Action>(&self, action: Result<A, defender_model::Error>) -> Perform<A> {
        Perform::new(self.client.clone(), self.id.clone(), action)
    }
}
