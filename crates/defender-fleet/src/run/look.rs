//! The look for the action of an attempt: in the journal, and in the service's list.

use defender_actions::{
    Entry, EntryKey, Holder, Intent, Origin, Settled, Settlement, UnknownReason, model::MachineAction,
};
use defender_store::{RowState, StoredRun};

use super::{
    ROWS,
    attempt::Context,
    row::{RowError, RowOrigin},
    verdict::not_readable,
};
use crate::{Error, ErrorKind};

/// Action of an entry.
pub(super) struct Found {
    pub(super) intent: Intent,
    pub(super) origin: Origin,
    pub(super) action: Box<MachineAction>,
}

/// Outcome of an entry without an action.
pub(super) enum Lost {
    /// Nothing was sent, so that the request may be sent.
    NotSent,
    /// The service refused the request.
    Failed(RowError),
    /// The action was looked for, and is not certainly the attempt's.
    Unknown(RowError, UnknownReason),
}

impl Context {
    /// Fails if the plan has lapsed and no request of the run was sent.
    pub(super) async fn is_in_time(&self, run: &StoredRun) -> Result<(), Error> {
        let (lapses_at, now) = (self.approved.plan.lapses_at, self.clock().now());
        if now <= lapses_at || run.counts.planned != run.counts.total() {
            return Ok(());
        }
        let mut from = 0;
        loop {
            let rows = self.store.rows(&self.run, from, ROWS).await.map_err(|error| self.store_failed(error))?;
            let Some(last) = rows.last() else { break };
            // A later attempt is a person's word.
            if rows.iter().any(|row| row.attempt > 1 || row.state != RowState::Planned) {
                return Ok(());
            }
            from = last.index + 1;
        }
        let why =
            format!("the plan lapsed at {lapses_at} before anything was sent, and it is {now}; make another plan");
        Err(self.failed(ErrorKind::PlanLapsed, why))
    }

    pub(super) async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, Error> {
        self.journal.entry(key).await.map_err(|error| self.journal_failed(error))
    }

    /// Returns the action of an earlier attempt whose outcome is not known.
    pub(super) async fn look(&self, key: &EntryKey) -> Result<Result<Found, Lost>, Error> {
        match self.entry(key).await? {
            Some(entry) => self.outcome(key, entry).await,
            None => {
                let line = format!(
                    "the journal has no entry `{key}`, so the action cannot be looked for; look at the machine [outcome-unknown]"
                );
                Ok(Err(Lost::Unknown(RowError::of_line(&line), UnknownReason::NotReadable)))
            }
        }
    }

    /// Returns the action of an entry of the journal, after a search for it if it has no outcome.
    pub(super) async fn outcome(&self, key: &EntryKey, entry: Entry) -> Result<Result<Found, Lost>, Error> {
        let intent = entry.intent.clone();
        Ok(match &entry.outcome {
            Some(Settlement::Submitted { origin, action }) => {
                Ok(Found { intent, origin: *origin, action: action.clone() })
            }
            Some(Settlement::NotSent { .. }) => Err(Lost::NotSent),
            Some(Settlement::Refused { error }) => {
                let error = RowError::of_line(error);
                let is_throttled = error.kind == defender_actions::ErrorKind::Throttled.name();
                Err(if is_throttled { Lost::NotSent } else { Lost::Failed(error) })
            }
            Some(_) | None => match self.client.recover(intent.clone()).await {
                Err(error) => match error.reason() {
                    Some(reason) if !not_readable(reason) => Err(Lost::Unknown(RowError::of(&error), reason)),
                    // The row stays as it is, and is looked for by its next worker.
                    _ => return Err(self.service_failed(error)),
                },
                Ok(submitted) => {
                    let (origin, action) = (submitted.origin(), Box::new(submitted.action().clone()));
                    let found = Settlement::Submitted { origin, action: action.clone() };
                    let settled = self.journal.settle(key, Holder::generate(), &found).await;
                    match settled.map_err(|error| self.journal_failed(error))? {
                        Settled::ClaimedBy(other) => {
                            let id = submitted.id();
                            let line = format!("the action {id} is that of the journal entry `{other}`; compare them");
                            Err(Lost::Unknown(RowError::of_line(&line), UnknownReason::MayBeOurs))
                        }
                        Settled::Superseded(Settlement::Submitted { origin, action }) => {
                            Ok(Found { intent, origin, action })
                        }
                        _ => Ok(Found { intent, origin, action }),
                    }
                }
            },
        })
    }
}

/// Returns the evidence of a recovered action: a generated external id of the intent, or only its comment.
pub(super) fn recovered(intent: Option<&Intent>, action: &MachineAction) -> RowOrigin {
    let has_its_id = intent.filter(|intent| intent.has_generated_id()).is_some_and(|intent| {
        let recorded = action.external_id.as_deref().map(str::trim);
        intent.external_id().zip(recorded).is_some_and(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs))
    });
    if has_its_id { RowOrigin::Recovered } else { RowOrigin::RecoveredByComment }
}
