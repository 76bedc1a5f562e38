//! The search for the action of a row whose request may have been sent.

use std::{pin::pin, time::Duration};

use defender_actions::{
    Entry, EntryKey, Error as ServiceError, ErrorKind as ServiceErrorKind, Intent, Settlement, Submitted,
    UnknownReason, model::MachineAction,
};
use futures_util::future::select;

use super::{
    context::Context,
    row::{RowError, RowOrigin},
    verdict::Verdict,
};
use crate::{Error, ErrorKind};

/// Time after which a search is repeated whose lists could not be read.
const SEARCH_AGAIN: Duration = Duration::from_secs(30);
/// Time without a finished search after which the worker gives up. The row stays as it is, and a later worker searches again.
const SEARCH_WITHIN: Duration = Duration::from_secs(600);
/// Time limit of a flush of the journal. The next renewal of the leases waits for it.
const FLUSH_WITHIN: Duration = Duration::from_secs(30);

impl Context {
    /// Returns an entry, after what this process knows of its outcome is in the journal: a search shows of no request that it was not sent.
    pub(super) async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, Error> {
        self.client.journal_entry(key).await.map_err(|error| self.failed(ErrorKind::Store, &error).caused_by(error))
    }

    /// Writes what this process knows and the journal did not take, also of rows that it no longer has: another process may be searching for
    /// their actions. What fails is written later.
    pub(super) async fn write_kept_outcomes(&self) {
        let (written, time) = (pin!(self.client.flush_journal()), self.clock().sleep(FLUSH_WITHIN));
        let _written_or_later = select(written, time).await;
    }

    /// Returns the action of an earlier attempt whose outcome is not known.
    pub(super) async fn look(&self, key: &EntryKey) -> Result<Result<Entry, Lost>, Error> {
        if let Some(entry) = self.entry(key).await? {
            return self.outcome(key, entry).await;
        }
        let line = format!(
            "the journal has no entry `{key}`, so the action cannot be searched for; look at the machine [outcome-unknown]"
        );
        Ok(Err(Lost::Unknown(RowError::of_line(&line), UnknownReason::NotReadable)))
    }

    /// Returns the action of an entry of the journal, after a search for it if it has no outcome.
    pub(super) async fn outcome(&self, key: &EntryKey, entry: Entry) -> Result<Result<Entry, Lost>, Error> {
        let intent = entry.intent.clone();
        Ok(match known(entry) {
            Some(outcome) => outcome,
            None => match self.search(key, intent.clone()).await? {
                Err(error) if error.kind() == ServiceErrorKind::Journal => {
                    // The action was found. This process keeps it, and writes it before it reads the entry.
                    let outcome = self.entry(key).await?.and_then(known);
                    outcome.ok_or_else(|| self.failed(ErrorKind::Store, &error).caused_by(error))?
                }
                Err(error) => {
                    let Some(reason) = error.reason() else { return Err(self.service_failed(error)) };
                    // The worker that sent the request may have written its outcome meanwhile.
                    let outcome = self.entry(key).await?.and_then(known);
                    outcome.unwrap_or_else(|| Err(Lost::Unknown(RowError::of(&error), reason)))
                }
                Ok(submitted) => {
                    let action = Box::new(submitted.action().clone());
                    let found = Settlement::Submitted { origin: submitted.origin(), action };
                    Ok(Entry::new(intent, Some(found), None))
                }
            },
        })
    }

    /// Searches for the action of an entry, until a search was finished. The journal has an action that is found.
    async fn search(&self, key: &EntryKey, intent: Intent) -> Result<Result<Submitted, ServiceError>, Error> {
        let began = self.clock().elapsed();
        loop {
            match self.client.recover_entry(key, intent.clone()).await {
                Err(error) if Verdict::of(&error) == Verdict::Search => {
                    if self.clock().elapsed().saturating_sub(began) >= SEARCH_WITHIN {
                        return Err(self.service_failed(error));
                    }
                    self.clock().sleep(SEARCH_AGAIN).await;
                }
                outcome => return Ok(outcome),
            }
        }
    }
}

/// Outcome of an entry without an action.
pub(super) enum Lost {
    /// Nothing was sent, so that the request may be sent.
    NotSent,
    /// The service refused the request.
    Failed(RowError),
    /// The action was searched for, and is not certainly the attempt's.
    Unknown(RowError, UnknownReason),
}

/// Returns the outcome of an entry. `None` if its action is to be searched for.
fn known(entry: Entry) -> Option<Result<Entry, Lost>> {
    match &entry.outcome {
        Some(Settlement::Submitted { .. }) => Some(Ok(entry)),
        Some(Settlement::NotSent { .. }) => Some(Err(Lost::NotSent)),
        Some(Settlement::Refused { error }) => {
            let error = RowError::of_line(error);
            // A worker that lives sends these requests again: neither the machine nor the action was refused.
            let is_of_the_call =
                [ServiceErrorKind::Throttled, ServiceErrorKind::Unauthorized].map(ServiceErrorKind::name);
            Some(Err(if is_of_the_call.contains(&error.kind.as_str()) { Lost::NotSent } else { Lost::Failed(error) }))
        }
        Some(_) | None => None,
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
