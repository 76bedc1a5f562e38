//! A person's word that rows are done again.

use defender_store::RowState;

use super::handle::Run;
use crate::{Error, ErrorKind};

/// Rows that are done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryRows {
    /// Rows whose action failed or was refused.
    Failed,
    /// Rows whose outcome is unknown. Their action **may be done twice**: look at their machines first.
    Unknown,
}

impl Run {
    /// Plans rows again that have failed or whose outcome is unknown, and returns their number. Nothing is sent until the run is worked on.
    ///
    /// The next worker begins the next attempt of each, with a new intent; the history of the row has the earlier ones. Right before, it
    /// looks once more for the action of the earlier attempt. If the action is found now, nothing is sent, and the row waits for it. A
    /// halted run stays halted: see [`Fleet::resume`](crate::Fleet::resume).
    ///
    /// # Errors
    ///
    /// [`Store`](ErrorKind::Store): the rows may or may not be planned again.
    pub async fn retry(&self, rows: RetryRows) -> Result<u32, Error> {
        let state = match rows {
            RetryRows::Failed => RowState::Failed,
            RetryRows::Unknown => RowState::Unknown,
        };
        let all = self.rows().await?;
        let indexes: Vec<_> = all.iter().filter(|(row, _)| row.state == state).map(|(row, _)| row.index).collect();
        let retried = self.fleet.stores().runs.retry_rows(&self.id, &indexes).await;
        retried.map_err(|error| self.failed(ErrorKind::Store, &error).caused_by(error))
    }
}
