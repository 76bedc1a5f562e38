//! The handle of an action.

use defender_model::{ActionId, MachineAction};

use crate::{
    Cancel, DefenderClient, Download, LiveResponseResult, Request, Wait, files::link::LinkKind, submit::record::read,
};

/// Handle of one action, by its id. It owns its client.
#[derive(Clone, Debug)]
pub struct ActionHandle {
    client: DefenderClient,
    id: ActionId,
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

    /// Waits until the action has ended. Returns `Ok` only if the action succeeded.
    pub fn wait(&self) -> Wait {
        Wait::new(self.client.clone(), self.id.clone(), None)
    }

    /// Returns the download of the investigation package that the action collected. Nothing is sent.
    ///
    /// Permission: `Machine.Read.All` or `Machine.ReadWrite.All`, for a user `Machine.CollectForensics`. Quota: 2 calls a minute and 120
    /// an hour. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/get-package-sas-uri>.
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

    /// Returns the result of a live response command, by its index in the submitted commands, counted from 0. Nothing is sent.
    ///
    /// Permission: `Machine.Read.All` or `Machine.ReadWrite.All`, for a user `Machine.LiveResponse`. Source:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/get-live-response-result>.
    #[must_use]
    pub fn result(&self, index: u32) -> LiveResponseResult {
        LiveResponseResult::new(self.client.clone(), self.id.clone(), index)
    }

    /// *Cancel*: cancels the action, if it has not been done yet, and returns its record.
    ///
    /// An action that can no longer be cancelled is refused with 400 ([`Refused`](crate::ErrorKind::Refused)). Permission: any one of [`CancelMachineAction::PERMISSIONS`](defender_model::CancelMachineAction::PERMISSIONS). Commands of a record that is `Cancelled` may
    /// have been completed before. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/cancel-machine-action>.
    pub fn cancel(&self, comment: impl Into<String>) -> Cancel {
        // The caller names the action by its id, so no further confirmation is required.
        Cancel::new(self.client.clone(), self.id.clone(), comment, true)
    }
}
