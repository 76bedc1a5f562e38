//! One action, by its id.

use defender_model::{ActionId, MachineAction};

use crate::{
    Cancel, DefenderClient, Download, Error, ErrorKind, LiveResponseResult, Request, Wait,
    client::{call::Call, operation::Operation},
    files::link::LinkKind,
};

/// One action, by its id. It owns its client.
#[derive(Clone, Debug)]
pub struct ActionHandle {
    client: DefenderClient,
    id: ActionId,
}

impl ActionHandle {
    pub(crate) fn new(client: DefenderClient, id: ActionId) -> Self {
        Self { client, id }
    }

    /// The action's id.
    #[must_use]
    pub fn id(&self) -> &ActionId {
        &self.id
    }

    /// Reads the action's record as it is now.
    ///
    /// Needs the permission `Machine.ReadWrite.All`, of a user `Machine.ReadWrite`, as today's page says; an older page, and a 403 of
    /// the service, name `Machine.Read.All` and `Machine.Read` as well. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineaction-object>.
    pub fn get(&self) -> Request<MachineAction> {
        let id = self.id.clone();
        Request::new(&self.client, Ok(read(&id)), move |client, call| async move {
            let (inner, context) = (client.inner(), call.context());
            let action: MachineAction = inner.call(call).await.map_err(|error| error.with_action_id(&id))?;
            // Another action's end must not be taken for this one's.
            if !is_about(&action, &id) {
                return Err(Error::new(ErrorKind::InvalidResponse)
                    .context(context)
                    .retryable(true)
                    .with_action_id(&id)
                    .caused_by(format!("it is about the action {}", action.id)));
            }
            inner.saw(&action);
            Ok(action)
        })
    }

    /// Waits until the action has ended. `Ok` only when it succeeded.
    pub fn wait(&self) -> Wait {
        Wait::new(self.client.clone(), self.id.clone(), None)
    }

    /// The investigation package that the action collected, to be downloaded. Nothing is sent.
    ///
    /// Needs the permission `Machine.Read.All` or `Machine.ReadWrite.All`, of a user `Machine.CollectForensics`; 2 calls a minute
    /// and 120 an hour. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-package-sas-uri>.
    ///
    /// ```no_run
    /// # use defender_actions::DefenderClient;
    /// # async fn example(defender: DefenderClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let collected = defender.machine("m1".parse()?).collect_investigation_package("Ticket 4711").await?;
    /// collected.wait().await?;
    /// let saved = defender.action(collected.id().clone()).package().save_as("package.zip").await?;
    /// println!("{} bytes, SHA-256 {}", saved.size(), saved.sha256());
    /// # Ok(())
    /// # }
    /// ```
    pub fn package(&self) -> Download {
        Download::new(self.client.clone(), self.id.clone(), LinkKind::Package)
    }

    /// The result of the live response command with this index, counted from 0 in the order in which they were asked for.
    /// Nothing is sent.
    ///
    /// Needs the permission `Machine.Read.All` or `Machine.ReadWrite.All`, of a user `Machine.LiveResponse`. Source:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result>.
    #[must_use]
    pub fn result(&self, index: u32) -> LiveResponseResult {
        LiveResponseResult::new(self.client.clone(), self.id.clone(), index)
    }
}

impl ActionHandle {
    /// *Cancel*: takes the action back, if it has not been done yet. The answer is the action's record.
    ///
    /// The service refuses with 400 what can no longer be cancelled ([`Refused`](ErrorKind::Refused)). Any one of the
    /// permissions in [`CancelMachineAction::PERMISSIONS`](defender_model::CancelMachineAction::PERMISSIONS) allows it. A record that says `Cancelled` may have commands that
    /// were completed before. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/cancel-machine-action>.
    pub fn cancel(&self, comment: impl Into<String>) -> Cancel {
        // Whoever names an action by its id means it.
        Cancel::new(self.client.clone(), self.id.clone(), comment, true)
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
