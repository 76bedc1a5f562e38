//! The guard at departure: each request of a run asks its run whether it may be sent, right before its intent is written.
//!
//! The journal of a fleet's clients is a [`GuardedJournal`]. A request of a run has the key of its row, so that the order is: permit of the
//! quota, departure, intent, departure again if the first is old, request. A request without such a key is not of a run, and passes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, Journal, JournalError, JournalScope, Settled, Settlement, Unsettled,
    model::MachineAction,
};
use defender_store::{Departure, RunStore};

use crate::{
    claim::{NotDeparted, PREFIX},
    departure::{Departed, Departures},
};

/// Journal of the clients of a fleet. The intent of a row is written only if the run lets its request depart.
#[derive(Debug)]
pub(crate) struct GuardedJournal {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) runs: Arc<dyn RunStore>,
    pub(crate) departures: Arc<Departures>,
}

impl GuardedJournal {
    /// Asks whether the request of a row may be sent. `None` if the key is not of a run.
    async fn depart(&self, key: &EntryKey) -> Result<Option<Departed>, JournalError> {
        if !key.as_str().starts_with(PREFIX) {
            return Ok(None);
        }
        let denied = |why| Err(self.departures.deny(key, why).into());
        let Some(departed) = self.departures.begin(key) else { return denied(NotDeparted::NotHeld) };
        let claim = &departed.claim;
        let departure = self.runs.depart_row(&claim.run, claim.index, claim.worker, claim.attempt).await;
        match departure.map_err(|error| JournalError::new(error.to_string()).caused_by(error))? {
            Departure::Go => Ok(Some(departed)),
            Departure::Halted => denied(NotDeparted::Halted),
            Departure::NotHeld => denied(NotDeparted::NotHeld),
        }
    }

    /// Lets the request depart, unless this process has halted the run while the stores were asked.
    fn let_go(&self, key: &EntryKey, departed: Option<&Departed>) -> Result<(), JournalError> {
        departed.map_or(Ok(()), |departed| self.departures.depart(key, &departed.claim)).map_err(JournalError::from)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Journal for GuardedJournal {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        let mut departed = self.depart(key).await?;
        let intended = self.journal.intend(key, intent, holder, lease).await?;
        if matches!(intended, Intended::New | Intended::Mine) {
            // Who has claimed the row meanwhile has not seen the intent. Who claims it from now on does.
            if departed.as_ref().is_some_and(Departed::is_old) {
                departed = self.depart(key).await?;
            }
            self.let_go(key, departed.as_ref())?;
        }
        Ok(intended)
    }

    async fn may_resend(&self, key: &EntryKey) -> Result<(), JournalError> {
        let departed = self.depart(key).await?;
        self.journal.may_resend(key).await?;
        self.let_go(key, departed.as_ref())
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        self.journal.settle(key, holder, outcome).await
    }

    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError> {
        self.journal.finish(key, last).await
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        self.journal.claim_unsettled(scope, holder, lease, at_most).await
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        self.journal.entry(key).await
    }
}
