//! One row, from its claim to its submission, and its end.

use std::{sync::Arc, time::Duration};

use defender_actions::{
    Awaited, DefenderClient, Entry, EntryKey, Error as ServiceError, Holder, Intent, Journal, JournalError, Origin,
    Settled, Settlement,
    model::{ActionId, MachineAction},
};
use defender_store::{RowState, RowWritten, RunId, RunStore, StoredRow, StoredRun, WorkerId};
use defender_transport::Clock;
use futures_util::future::abortable;

use super::{
    event::RunRow,
    row::{RowAttempt, RowDocument, RowError, RowOrigin},
    verdict::Verdict,
};
use crate::{
    ApprovedPlan, Error, ErrorKind,
    action::Sending,
    departure::{self, Claim, Departures, NotDeparted},
};

/// Time limit of a submission. A request whose turn in the quota comes later goes back to the run, so that leases and intents stay short.
const SEND_WITHIN: Duration = Duration::from_secs(150);

/// What the rows of a worker share.
pub(super) struct Context {
    pub(super) run: RunId,
    pub(super) approved: Arc<ApprovedPlan>,
    pub(super) client: DefenderClient,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) store: Arc<dyn RunStore>,
    pub(super) departures: Arc<Departures>,
    pub(super) worker: WorkerId,
}

/// Row that the worker has.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) index: u32,
    pub(super) wave: u32,
    pub(super) document: RowDocument,
}

impl Row {
    pub(super) fn of(stored: &StoredRow) -> Result<Self, Error> {
        let document = RowDocument::parse(&stored.document)?;
        Ok(Self { index: stored.index, wave: stored.wave, document })
    }

    /// Returns the form of the row in events.
    pub(super) fn for_event(&self) -> RunRow {
        let RowDocument { machine_id, name, .. } = &self.document;
        RunRow { index: self.index, wave: self.wave, machine_id: machine_id.clone(), name: name.clone() }
    }

    fn attempt(&mut self) -> &mut RowAttempt {
        &mut self.document.attempt
    }
}

/// Step of a row. The store has it.
#[derive(Debug)]
pub(super) enum Step {
    /// The service has accepted the action, which is waited for.
    Submitted { row: Box<Row>, awaited: Box<Awaited>, is_news: bool },
    /// The row has ended.
    Ended { row: Box<Row>, state: RowState, is_halted: bool },
    /// The row is planned again. No row is sent for this time.
    Planned { again_in: Duration },
    /// The row is planned again, since the run is halted.
    Halted,
    /// Another worker has the row.
    Lost,
}

impl Context {
    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        self.client.clock()
    }

    /// Returns an error of the run.
    pub(super) fn failed(&self, kind: ErrorKind, why: impl std::fmt::Display) -> Error {
        Error::new(kind, format!("tenant `{}`, run {}: {why}", self.approved.plan.tenant, self.run))
    }

    fn service_failed(&self, error: ServiceError) -> Error {
        self.failed(ErrorKind::Service, &error).caused_by(error)
    }

    fn journal_failed(&self, error: JournalError) -> Error {
        self.failed(ErrorKind::Store, &error).caused_by(error)
    }

    pub(super) fn store_failed(&self, error: defender_store::StoreError) -> Error {
        self.failed(ErrorKind::Store, &error).caused_by(error)
    }

    /// Returns the run as the store has it.
    pub(super) async fn stored(&self) -> Result<StoredRun, Error> {
        let run = self.store.run(&self.run).await.map_err(|error| self.store_failed(error))?;
        run.ok_or_else(|| self.failed(ErrorKind::UnknownRun, "the store no longer has the run"))
    }

    /// Returns the key of an attempt.
    fn key(&self, text: &str) -> Result<EntryKey, Error> {
        EntryKey::new(text)
            .ok_or_else(|| self.failed(ErrorKind::Store, format!("`{text}` is not a key of the journal")))
    }

    /// Takes a claimed row to its next step.
    pub(super) async fn advance(self: Arc<Self>, mut row: Row, state: RowState, attempt: u32) -> Result<Step, Error> {
        if state == RowState::Submitted
            && let Some(id) = row.document.attempt.action_id.clone()
        {
            let key = self.key(&row.document.attempt.key)?;
            let entry = self.journal.entry(&key).await.map_err(|error| self.journal_failed(error))?;
            let awaited = self.awaited(&key, entry, id).into();
            return Ok(Step::Submitted { row: row.into(), awaited, is_news: false });
        }
        let key = self.key(&departure::key(&self.run, row.index, attempt))?;
        let before = row.document.begin(attempt, key.to_string());
        let before = before.filter(|before| !before.has_ended()).map(|before| before.key.clone());
        row.attempt().worker = Some(format!("{:032x}", self.worker.as_u128()));
        row.attempt().started_at.get_or_insert(self.clock().now());
        if state == RowState::Planned {
            // A retry looks once more for the action of an attempt whose outcome is unknown. It may have become visible.
            if let Some(before) = before {
                let before = self.key(&before)?;
                if let Some(entry) = self.journal.entry(&before).await.map_err(|error| self.journal_failed(error))?
                    && let Ok(found) = self.outcome(&before, entry).await?
                {
                    return self.found(row, &before, found).await;
                }
            }
            return self.send(row, &key).await;
        }
        match self.journal.entry(&key).await.map_err(|error| self.journal_failed(error))? {
            None => self.send(row, &key).await,
            Some(entry) => match self.outcome(&key, entry).await? {
                Ok(found) => self.found(row, &key, found).await,
                Err(Lost::NotSent) => self.send(row, &key).await,
                Err(Lost::Failed(error)) => self.end(row, RowState::Failed, Some(error)).await,
                Err(Lost::Unknown(error)) => self.end(row, RowState::Unknown, Some(error)).await,
            },
        }
    }

    /// Sends the request of a row.
    async fn send(&self, mut row: Row, key: &EntryKey) -> Result<Step, Error> {
        let ApprovedPlan { plan, approver, ticket, .. } = &*self.approved;
        let (actor, ticket) = (Some(approver.clone()), Some(ticket.clone()));
        let sending = Sending { key: key.to_string(), actor, ticket, timeout: SEND_WITHIN };
        let machine = self.client.machine(row.document.machine_id.clone());
        let (request, handle) = abortable(plan.action.send(&machine, sending));
        let claim = Claim { run: self.run.clone(), index: row.index, worker: self.worker };
        let entry = self.departures.request(key, claim, handle);
        let sent = request.await;
        match (entry.denied(), sent) {
            (Some(NotDeparted::NotHeld), _) => Ok(Step::Lost),
            (Some(NotDeparted::Halted), _) | (None, Err(_)) => match self.put_back(&row).await? {
                RowWritten::Done { .. } => Ok(Step::Halted),
                RowWritten::NotHeld => Ok(Step::Lost),
            },
            (None, Ok(Ok(submitted))) => {
                let origin = match submitted.origin() {
                    Origin::Created => RowOrigin::Created,
                    Origin::Joined => RowOrigin::Joined,
                    _ => {
                        let entry = self.journal.entry(key).await.map_err(|error| self.journal_failed(error))?;
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
                Verdict::Recover => Err(self.service_failed(error)),
                Verdict::Stop => {
                    let _planned_or_claimed_later = self.put_back(&row).await;
                    Err(self.service_failed(error))
                }
                Verdict::Later(again_in) => match self.put_back(&row).await? {
                    RowWritten::Done { .. } => Ok(Step::Planned { again_in }),
                    RowWritten::NotHeld => Ok(Step::Lost),
                },
            },
        }
    }

    /// Returns the action of an entry of the journal, after a search for it if it has no outcome.
    async fn outcome(&self, key: &EntryKey, entry: Entry) -> Result<Result<Entry, Lost>, Error> {
        let intent = entry.intent.clone();
        Ok(match &entry.outcome {
            Some(Settlement::Submitted { .. }) => Ok(entry),
            Some(Settlement::NotSent { .. }) => Err(Lost::NotSent),
            Some(Settlement::Refused { error }) => {
                let error = RowError::of_line(error);
                let is_throttled = error.kind == defender_actions::ErrorKind::Throttled.name();
                Err(if is_throttled { Lost::NotSent } else { Lost::Failed(error) })
            }
            Some(_) | None => match self.client.recover(intent.clone()).await {
                Err(error) => Err(Lost::Unknown(RowError::of(&error))),
                Ok(submitted) => {
                    let action = Box::new(submitted.action().clone());
                    let found = Settlement::Submitted { origin: submitted.origin(), action };
                    let settled = self.journal.settle(key, Holder::generate(), &found).await;
                    match settled.map_err(|error| self.journal_failed(error))? {
                        Settled::ClaimedBy(other) => {
                            let id = submitted.id();
                            let line = format!("the action {id} is that of the journal entry `{other}`; compare them");
                            Err(Lost::Unknown(RowError::of_line(&line)))
                        }
                        Settled::Superseded(known @ Settlement::Submitted { .. }) => {
                            Ok(Entry::new(intent, Some(known), None))
                        }
                        _ => Ok(Entry::new(intent, Some(found), None)),
                    }
                }
            },
        })
    }

    /// Writes that the action of a row was found in the journal or in the service's list.
    async fn found(&self, mut row: Row, key: &EntryKey, entry: Entry) -> Result<Step, Error> {
        let Some(Settlement::Submitted { origin, action }) = entry.outcome.clone() else {
            return self.send(row, key).await;
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

    /// Writes the end of an action that was waited for.
    pub(super) async fn ended(
        self: Arc<Self>,
        mut row: Row,
        outcome: Result<MachineAction, ServiceError>,
    ) -> Result<Step, Error> {
        let (state, error, last) = match outcome {
            Ok(action) => (RowState::Succeeded, None, Some(action)),
            Err(error) => {
                let state = match Verdict::of_wait(&error) {
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
            // The journal is the audit record as well. The row has the end in any case.
            let _written_or_not = self.journal.finish(&key, &last).await;
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

    async fn put_back(&self, row: &Row) -> Result<RowWritten, Error> {
        self.write(row, RowState::Planned).await
    }

    async fn write(&self, row: &Row, state: RowState) -> Result<RowWritten, Error> {
        let written = self.store.write_row(&self.run, row.index, self.worker, state, &row.document.to_text()).await;
        written.map_err(|error| self.store_failed(error))
    }
}

/// Outcome of an entry without an action.
enum Lost {
    /// Nothing was sent, so that the request may be sent.
    NotSent,
    /// The service refused the request.
    Failed(RowError),
    Unknown(RowError),
}

/// Returns the evidence of a recovered action: a generated external id of the intent, or only its comment.
fn recovered(intent: Option<&Intent>, action: &MachineAction) -> RowOrigin {
    let has_its_id = intent.filter(|intent| intent.has_generated_id()).is_some_and(|intent| {
        let recorded = action.external_id.as_deref().map(str::trim);
        intent.external_id().zip(recorded).is_some_and(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs))
    });
    if has_its_id { RowOrigin::Recovered } else { RowOrigin::RecoveredByComment }
}
