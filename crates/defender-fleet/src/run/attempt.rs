//! One row, from its claim to its submission, and its end.

use std::{pin::pin, sync::Arc, time::Duration};

use defender_actions::{
    Awaited, Entry, EntryKey, Error as ServiceError, Origin, Settlement, UnknownReason,
    model::{ActionId, MachineAction},
};
use defender_store::{RowState, RowWritten};
use futures_util::future::{AbortHandle, abortable, select};

use super::{
    context::{Context, Row, Step},
    row::{RowError, RowOrigin},
    search::{Lost, recovered},
    verdict::Verdict,
};
use crate::{
    ApprovedPlan, Error,
    action::RequestSettings,
    claim::{self, Claim, NotDeparted},
    departure::RequestEntry,
};

/// Time limit of a submission. A request whose turn in the quota comes later goes back to the run, so that leases and intents stay short.
const SEND_WITHIN: Duration = Duration::from_secs(150);
/// Time between two looks at a request of another worker of this process, and the most looks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const MOST_LOOKS: u32 = 30;
/// Time limit of the end of an action in the journal.
const FINISH_WITHIN: Duration = Duration::from_secs(30);

impl Context {
    /// Takes a claimed row to its next step.
    pub(super) async fn advance(self: Arc<Self>, mut row: Row, state: RowState) -> Result<Step, Error> {
        if state == RowState::Submitted
            && let Some(id) = row.document.attempt.action_id.clone()
        {
            let key = self.key(&row.document.attempt.key)?;
            let entry = self.entry(&key).await?;
            let awaited = self.awaited(&key, entry, id).into();
            return Ok(Step::Submitted { row: row.into(), awaited, is_news: false });
        }
        let key = self.key(&claim::key(&self.run, row.index, row.claimed_attempt))?;
        row.document.begin(row.claimed_attempt, key.to_string());
        row.attempt().worker = Some(format!("{:032x}", self.worker.as_u128()));
        row.attempt().started_at.get_or_insert(self.clock().now());
        if state != RowState::Planned
            && let Some(entry) = self.look_up(&mut row, &key).await?
        {
            return self.follow(row, &key, entry).await;
        }
        // A retry looks once more for the actions of the attempts whose outcome is unknown. They may have become visible.
        let open: Vec<_> = row.document.open_attempts().into_iter().map(|attempt| attempt.key.clone()).collect();
        for before in open {
            let before = self.key(&before)?;
            match self.look(&before).await? {
                Ok(found) => return self.found(row, &before, found).await,
                Err(Lost::NotSent | Lost::Failed(_) | Lost::Unknown(_, UnknownReason::NothingFound)) => {}
                Err(Lost::Unknown(error, _)) => return self.end(row, RowState::Unknown, Some(error)).await,
            }
        }
        self.send(row, &key).await
    }

    /// Continues with a row whose request may have been sent.
    async fn follow(&self, row: Row, key: &EntryKey, entry: Entry) -> Result<Step, Error> {
        match self.outcome(key, entry).await? {
            Ok(found) => self.found(row, key, found).await,
            Err(Lost::NotSent) => self.plan_again(row, key, Step::Planned { again_in: Duration::ZERO }).await,
            Err(Lost::Failed(error)) => self.end(row, RowState::Failed, Some(error)).await,
            Err(Lost::Unknown(error, _)) => self.end(row, RowState::Unknown, Some(error)).await,
        }
    }

    /// Sends the request of a row.
    async fn send(&self, mut row: Row, key: &EntryKey) -> Result<Step, Error> {
        let ApprovedPlan { plan, approver, ticket, .. } = &*self.approved;
        let (actor, ticket) = (Some(approver.clone()), Some(ticket.clone()));
        let settings = RequestSettings { key: key.to_string(), actor, ticket, timeout: SEND_WITHIN };
        let machine = self.client.machine(row.document.machine_id.clone());
        let request = self.spanned(&row, plan.action.send(&machine, settings));
        let (request, handle) = abortable(request);
        let claim =
            Claim { run: self.run.clone(), index: row.index, attempt: row.claimed_attempt, worker: self.worker };
        let Some(entry) = self.register(key, &claim, &handle).await else {
            return self.put_back(row, key, Step::Later).await;
        };
        let sent = request.await;
        match (entry.denied(), sent) {
            (Some(NotDeparted::NotHeld), _) => Ok(Step::Lost),
            // This worker may have the row by the store. Nothing was sent.
            (Some(NotDeparted::Taken), _) => self.put_back(row, key, Step::Later).await,
            (Some(NotDeparted::Halted), _) | (None, Err(_)) => self.put_back(row, key, Step::Halted).await,
            (None, Ok(Ok(submitted))) => {
                let origin = match submitted.origin() {
                    Origin::Created => RowOrigin::Created,
                    Origin::Joined => RowOrigin::Joined,
                    _ => {
                        let entry = self.entry(key).await?;
                        recovered(entry.as_ref().map(|entry| &entry.intent), submitted.action())
                    }
                };
                self.submitted(row, origin, submitted.action().clone(), (&submitted).into()).await
            }
            (None, Ok(Err(error))) => match Verdict::of(&error) {
                Verdict::Failed => self.end(row, RowState::Failed, Some(RowError::of(&error))).await,
                Verdict::Unknown => {
                    row.attempt().action_id = error.action_id().cloned();
                    self.end(row, RowState::Unknown, Some(RowError::of(&error))).await
                }
                Verdict::Search => match self.look_up(&mut row, key).await? {
                    Some(entry) => self.follow(row, key, entry).await,
                    None => self.end(row, RowState::Unknown, Some(RowError::of(&error))).await,
                },
                Verdict::Recover => match self.look_up(&mut row, key).await {
                    Ok(Some(entry)) => self.follow(row, key, entry).await,
                    Ok(None) | Err(_) => Err(self.service_failed(error)),
                },
                Verdict::Stop => {
                    let _planned_or_claimed_later = self.put_back(row, key, Step::Lost).await;
                    Err(self.service_failed(error))
                }
                Verdict::Later(again_in) => self.put_back(row, key, Step::Planned { again_in }).await,
                Verdict::Unreachable => {
                    let error = self.service_failed(error).into();
                    self.put_back(row, key, Step::Unreachable { error }).await
                }
            },
        }
    }

    /// Adds a request to those of this process, once the request of another worker with its key has ended. `None` if that takes long.
    async fn register(&self, key: &EntryKey, claim: &Claim, abort: &AbortHandle) -> Option<RequestEntry> {
        for _ in 0..MOST_LOOKS {
            if let Some(entry) = self.departures.request(key, claim.clone(), self.clock(), abort.clone()) {
                return Some(entry);
            }
            self.clock().sleep(LOOK_AGAIN).await;
        }
        None
    }

    /// Puts the request of a row into a span, which names tenant, run and machine.
    #[cfg(feature = "tracing")]
    fn spanned<F: Future>(&self, row: &Row, request: F) -> impl Future<Output = F::Output> + use<F> {
        let (tenant, run, machine) = (&*self.approved.plan.tenant, self.run.as_str(), row.document.machine_id.as_str());
        tracing::Instrument::instrument(request, tracing::info_span!("row", tenant, run, index = row.index, machine))
    }

    #[cfg(not(feature = "tracing"))]
    #[expect(clippy::unused_self, reason = "the span needs it")]
    fn spanned<F: Future>(&self, _: &Row, request: F) -> F {
        request
    }

    /// Writes that the action of a row was found in the journal or in the service's list.
    async fn found(&self, mut row: Row, key: &EntryKey, entry: Entry) -> Result<Step, Error> {
        let Some(Settlement::Submitted { origin, action }) = entry.outcome.clone() else {
            return self.plan_again(row, key, Step::Planned { again_in: Duration::ZERO }).await;
        };
        let origin = match origin {
            Origin::Created => RowOrigin::Created,
            Origin::Joined => RowOrigin::Joined,
            _ => recovered(Some(&entry.intent), &action),
        };
        row.attempt().key = key.to_string();
        let awaited = self.awaited(key, Some(entry), action.id.clone());
        self.submitted(row, origin, *action, awaited).await
    }

    fn awaited(&self, key: &EntryKey, entry: Option<Entry>, id: ActionId) -> Awaited {
        match entry.and_then(|entry| self.client.submitted(key, entry)).filter(|submitted| *submitted.id() == id) {
            Some(submitted) => submitted.into(),
            None => id.into(),
        }
    }

    /// Writes that the service has accepted the action of a row.
    async fn submitted(
        &self,
        mut row: Row,
        origin: RowOrigin,
        action: MachineAction,
        awaited: Awaited,
    ) -> Result<Step, Error> {
        let now = self.clock().now();
        let attempt = row.attempt();
        attempt.origin = Some(origin);
        (attempt.action_id, attempt.status) = (Some(action.id), Some(action.status));
        (attempt.submitted_at, attempt.error) = (Some(now), None);
        match self.write(&row, RowState::Submitted).await? {
            RowWritten::Done { .. } => Ok(Step::Submitted { row: row.into(), awaited: awaited.into(), is_news: true }),
            RowWritten::NotHeld => Ok(Step::Lost),
        }
    }

    /// Writes the end of an action that was waited for. `is_of_list` if the list failed, and not the record of the action.
    pub(super) async fn ended(
        self: Arc<Self>,
        mut row: Row,
        outcome: Result<MachineAction, ServiceError>,
        is_of_list: bool,
    ) -> Result<Step, Error> {
        let (state, error, last) = match outcome {
            Ok(action) => (RowState::Succeeded, None, Some(action)),
            Err(error) => {
                let state = match Verdict::of_wait(&error, is_of_list) {
                    Verdict::Stop => return Err(self.service_failed(error)),
                    Verdict::Failed => RowState::Failed,
                    _ => RowState::Unknown,
                };
                (state, Some(RowError::of(&error)), error.action().cloned())
            }
        };
        row.attempt().status = last.as_ref().map(|last| last.status.clone()).or(row.attempt().status.take());
        if let Some(last) = last.filter(|last| last.status.is_terminal()) {
            let key = self.key(&row.document.attempt.key)?;
            // The journal is the audit record as well. The row has the end in any case, also if the journal does not respond.
            let (written, time) = (pin!(self.journal.finish(&key, &last)), self.clock().sleep(FINISH_WITHIN));
            let _written_or_not = select(written, time).await;
        }
        self.end(row, state, error).await
    }

    async fn end(&self, mut row: Row, state: RowState, error: Option<RowError>) -> Result<Step, Error> {
        let now = self.clock().now();
        (row.attempt().error, row.attempt().ended_at) = (error, Some(now));
        match self.write(&row, state).await? {
            RowWritten::Done { is_halted } => Ok(Step::Ended { row: row.into(), state, is_halted }),
            RowWritten::NotHeld => Ok(Step::Lost),
        }
    }

    /// Plans a row again of which this worker has sent nothing. If another worker had the row meanwhile and may have sent its request, its
    /// outcome is looked for.
    async fn put_back(&self, mut row: Row, key: &EntryKey, step: Step) -> Result<Step, Error> {
        match self.sent(&mut row, key).await? {
            Some(entry) => self.follow(row, key, entry).await,
            None => self.plan_again(row, key, step).await,
        }
    }

    /// Returns the entry of a row.
    async fn look_up(&self, row: &mut Row, key: &EntryKey) -> Result<Option<Entry>, Error> {
        row.looked_at = row.claims.count();
        self.entry(key).await
    }

    /// Returns the entry of a row whose request may have been sent.
    async fn sent(&self, row: &mut Row, key: &EntryKey) -> Result<Option<Entry>, Error> {
        let is_without_effect = |entry: &Entry| entry.outcome.as_ref().is_some_and(Settlement::is_without_effect);
        Ok(self.look_up(row, key).await?.filter(|entry| !is_without_effect(entry)))
    }

    /// Plans a row again, and returns the step, unless another worker has the row, or may have had it since the last look into the journal,
    /// which shows that nothing was sent.
    async fn plan_again(&self, mut row: Row, key: &EntryKey, step: Step) -> Result<Step, Error> {
        let is_old = |row: &Row| row.claims.count() != row.looked_at;
        if is_old(&row) {
            return Ok(Step::Lost);
        }
        match self.write(&row, RowState::Planned).await? {
            // Another worker may have had the row while this was on its way to the store, and may have sent its request.
            RowWritten::Done { .. } if is_old(&row) => match self.sent(&mut row, key).await? {
                Some(entry) => Box::pin(self.follow(row, key, entry)).await,
                None => Ok(step),
            },
            RowWritten::Done { .. } => Ok(step),
            RowWritten::NotHeld => Ok(Step::Lost),
        }
    }

    async fn write(&self, row: &Row, state: RowState) -> Result<RowWritten, Error> {
        let (index, attempt, document) = (row.index, row.claimed_attempt, row.document.to_text());
        let written = self.store.write_row(&self.run, index, self.worker, attempt, state, &document).await;
        written.map_err(|error| self.store_failed(error))
    }
}
