//! A person's word that rows are done again.

use std::collections::HashSet;

use defender_actions::model::MachineId;
use defender_store::{RowState, StoredRow};

use super::{handle::Run, row::RowDocument};
use crate::{Error, ErrorKind};

/// Rows that are done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryRows {
    /// Rows whose action failed or was refused, and none of whose earlier attempts has an unknown outcome.
    Failed,
    /// Rows whose outcome is unknown, and failed rows with an earlier attempt whose outcome is unknown. Their action **may be done twice**: look at their machines first.
    Unknown,
}

impl Run {
    /// Plans rows again that have failed or whose outcome is unknown, and returns their number. Nothing is sent until the run is worked on.
    ///
    /// The next worker begins the next attempt of each, with a new intent; the history of the row has the earlier ones. Right before, it
    /// looks once more for the action of each earlier attempt whose outcome is unknown. The request is sent only if the service's list has
    /// no action that may be one of them. If an action is found now, the row waits for it. If one may be the row's, the row ends as unknown
    /// again. If the list cannot be read, the row stays planned, and the worker ends with the error. A halted run stays halted: see
    /// [`Fleet::resume`](crate::Fleet::resume).
    ///
    /// # Errors
    ///
    /// [`Store`](ErrorKind::Store): the rows may or may not be planned again.
    pub async fn retry(&self, rows: RetryRows) -> Result<u32, Error> {
        let indexes = self.indexes(rows).await?;
        self.plan_again(&indexes).await
    }

    /// As [`retry`](Self::retry), of these machines and no others: those that a person has confirmed, while another process may still end rows
    /// of the run. Machines whose row is not in this state (any more) are left alone, so that the number may be less than theirs.
    ///
    /// # Errors
    ///
    /// [`Store`](ErrorKind::Store), as with [`retry`](Self::retry).
    pub async fn retry_only(&self, rows: RetryRows, machines: &[MachineId]) -> Result<u32, Error> {
        let machines: HashSet<_> = machines.iter().collect();
        let mut indexes = self.indexes(rows).await?;
        indexes.retain(|index| self.machine(*index).is_some_and(|machine| machines.contains(machine)));
        self.plan_again(&indexes).await
    }

    /// Returns the machines whose rows [`retry`](Self::retry) would plan again. Nothing changes.
    ///
    /// # Errors
    ///
    /// [`Store`](ErrorKind::Store).
    pub async fn retryable(&self, rows: RetryRows) -> Result<Vec<MachineId>, Error> {
        let indexes = self.indexes(rows).await?;
        Ok(indexes.into_iter().filter_map(|index| self.machine(index).cloned()).collect())
    }

    async fn plan_again(&self, indexes: &[u32]) -> Result<u32, Error> {
        let retried = self.fleet.stores().runs.retry_rows(&self.id, indexes).await;
        retried.map_err(|error| self.failed(ErrorKind::Store, &error).caused_by(error))
    }

    fn machine(&self, index: u32) -> Option<&MachineId> {
        let row = self.approved.plan.rows.get(usize::try_from(index).ok()?)?;
        Some(&row.machine_id)
    }

    async fn indexes(&self, rows: RetryRows) -> Result<Vec<u32>, Error> {
        let is_chosen = |(row, document): &&(StoredRow, RowDocument)| match row.state {
            RowState::Unknown => rows == RetryRows::Unknown,
            // The action of an earlier attempt may still be done, so that the row is as good as unknown.
            RowState::Failed => (rows == RetryRows::Unknown) != document.open_attempts().is_empty(),
            _ => false,
        };
        let all = self.rows().await?;
        Ok(all.iter().filter(is_chosen).map(|(row, _)| row.index).collect())
    }
}
