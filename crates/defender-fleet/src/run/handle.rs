//! A run, as a caller has it.

use std::{fmt, sync::Arc};

use defender_actions::BoxStream;
use defender_store::{RowCounts, RunId, StoredRow, StoredRun, WorkerId};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    context::{Context, ROWS},
    event::RunEvent,
    row::RowDocument,
    worker::Worker,
};
use crate::{ApprovedPlan, Error, ErrorKind, Fleet, Report, report::add_late_outcomes};

/// Version of the serialized form.
pub(super) const VERSION: u32 = 1;

/// Document of a run.
#[derive(Serialize, Deserialize)]
pub(super) struct RunDocument {
    pub(super) version: u32,
    pub(super) approved: ApprovedPlan,
}

/// Run of an approved plan. Clones are the same run.
///
/// Nothing is sent until [`events`](Self::events) is polled or [`finish`](Self::finish) is awaited: no task runs in the background. Each
/// call of either is a worker. Several workers may work on a run at the same time, in this process and in others.
#[derive(Clone)]
pub struct Run {
    pub(super) fleet: Fleet,
    pub(super) id: RunId,
    pub(super) approved: Arc<ApprovedPlan>,
}

/// Run of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunSummary {
    /// Id of the run.
    pub id: RunId,
    /// Name of the tenant.
    pub tenant: String,
    /// Type of the action.
    pub action_type: &'static str,
    /// Person who has approved the plan.
    pub approver: String,
    /// Ticket of the change.
    pub ticket: String,
    /// Time of the approval.
    pub approved_at: Timestamp,
    /// [`hash`](crate::Plan::hash) of the plan.
    pub plan_hash: String,
    /// Reason of the halt, if the run is halted.
    pub halted: Option<String>,
    /// Rows in each state.
    pub counts: RowCounts,
}

impl RunSummary {
    pub(super) fn of(stored: StoredRun, approved: &ApprovedPlan) -> Self {
        Self {
            id: stored.id,
            tenant: approved.plan.tenant.clone(),
            action_type: approved.plan.action.action_type(),
            approver: approved.approver.clone(),
            ticket: approved.ticket.clone(),
            approved_at: approved.approved_at,
            plan_hash: approved.plan.hash.clone(),
            halted: stored.halted,
            counts: stored.counts,
        }
    }
}

impl Run {
    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Returns the name of the tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.approved.plan.tenant
    }

    /// Returns the plan.
    #[must_use]
    pub fn approved(&self) -> &ApprovedPlan {
        &self.approved
    }

    /// Works on the run, and returns what happens. An error is the last item, and the run can be worked on again after it.
    ///
    /// Dropping the stream is like a crash: nothing more is sent, and the rows that the worker had are recovered by the next one, once the
    /// lease of 90 seconds is over. Poll the stream at least that often.
    ///
    /// A run of which nothing was sent yet is refused once its plan has lapsed: [`PlanLapsed`](ErrorKind::PlanLapsed). A run that was begun
    /// goes on at any time, with the states of the machines as the plan has them. A run whose tenant has another API now is refused:
    /// [`PlanOfAnotherTenant`](ErrorKind::PlanOfAnotherTenant).
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn events(&self) -> BoxStream<Result<RunEvent, Error>> {
        match self.fleet.client(self.tenant()) {
            Err(error) => Box::pin(stream::iter([Err(error)])),
            Ok(client) if !self.approved.plan.api.eq_ignore_ascii_case(client.base_url()) => {
                let (api, here) = (&self.approved.plan.api, client.base_url());
                let why = format!("the plan is for the API {api}, and the tenant has {here} here");
                Box::pin(stream::iter([Err(self.failed(ErrorKind::PlanOfAnotherTenant, why))]))
            }
            Ok(client) => {
                let stores = self.fleet.stores();
                Worker::events(Context {
                    run: self.id.clone(),
                    approved: Arc::clone(&self.approved),
                    // Of the client, which may keep hashes of bodies.
                    journal: client.journal().map_or_else(|| Arc::clone(&stores.journal), Arc::clone),
                    client,
                    store: Arc::clone(&stores.runs),
                    departures: Arc::clone(self.fleet.departures()),
                    worker: WorkerId::generate(),
                })
            }
        }
    }

    /// Works on the run until nothing of it is left to do, and returns its report.
    ///
    /// # Errors
    ///
    /// The first error of [`events`](Self::events).
    pub async fn finish(&self) -> Result<Report, Error> {
        let mut events = self.events();
        while let Some(event) = events.next().await {
            event?;
        }
        self.report().await
    }

    /// Halts the run, from any clone, task or process. What was sent is still waited for.
    ///
    /// After this has returned, no request of the run leaves this process. A request that departed before may still be on its way: it
    /// may open its connection or refresh its token first. Another process sends at most the requests that the store had let depart before,
    /// which it sends within a second and the time of a connection.
    ///
    /// # Errors
    ///
    /// [`Store`](ErrorKind::Store): the run may or may not be halted. Workers follow what the store has.
    pub async fn halt(&self, reason: &str) -> Result<(), Error> {
        let _pending = self.fleet.departures().halt(&self.id);
        let halted = self.fleet.stores().runs.halt_run(&self.id, reason).await;
        halted.map_err(|error| self.failed(ErrorKind::Store, &error).caused_by(error))
    }

    /// Returns the state of the run. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Store`](ErrorKind::Store), [`UnknownRun`](ErrorKind::UnknownRun).
    pub async fn summary(&self) -> Result<RunSummary, Error> {
        Ok(RunSummary::of(self.stored().await?, &self.approved))
    }

    /// Returns the report: one row for each machine of the plan, and for each target that the plan leaves out. Nothing is sent.
    ///
    /// An unknown row has its action if the journal knows it by now: the response may have come to a worker that had lost the row. Its error says
    /// so if the journal knows by now that nothing was sent, or that the service refused the request.
    ///
    /// # Errors
    ///
    /// [`Store`](ErrorKind::Store), [`UnknownRun`](ErrorKind::UnknownRun).
    pub async fn report(&self) -> Result<Report, Error> {
        let (stored, mut rows) = (self.stored().await?, self.rows().await?);
        let added = add_late_outcomes(&*self.fleet.stores().journal, &mut rows).await;
        added.map_err(|error| self.failed(ErrorKind::Store, &error).caused_by(error))?;
        Ok(Report::of(&stored, &self.approved, &rows))
    }

    async fn stored(&self) -> Result<StoredRun, Error> {
        let stored = self.fleet.stores().runs.run(&self.id).await;
        let stored = stored.map_err(|error| self.failed(ErrorKind::Store, &error).caused_by(error))?;
        stored.ok_or_else(|| self.failed(ErrorKind::UnknownRun, "the store no longer has the run"))
    }

    /// Returns all rows.
    pub(super) async fn rows(&self) -> Result<Vec<(StoredRow, RowDocument)>, Error> {
        let mut all: Vec<(StoredRow, RowDocument)> = Vec::new();
        loop {
            let from = all.last().map_or(0, |(row, _)| row.index + 1);
            let rows = self.fleet.stores().runs.rows(&self.id, from, ROWS).await;
            let rows = rows.map_err(|error| self.failed(ErrorKind::Store, &error).caused_by(error))?;
            if rows.is_empty() {
                return Ok(all);
            }
            for row in rows {
                let document = RowDocument::parse(&row.document)?;
                all.push((row, document));
            }
        }
    }

    pub(super) fn failed(&self, kind: ErrorKind, why: impl fmt::Display) -> Error {
        Error::new(kind, format!("tenant `{}`, run {}: {why}", self.tenant(), self.id))
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("id", &self.id).field("tenant", &self.tenant()).finish_non_exhaustive()
    }
}
