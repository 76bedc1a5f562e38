//! The start of runs, and the runs of a fleet.

use std::sync::Arc;

use defender_store::{CreatedRun, NewRow, NewRun, RunId, StoreError, StoredRun};

use super::{
    handle::{Run, RunDocument, RunSummary, VERSION},
    row::{RowDocument, parse_versioned},
};
use crate::{ApprovedPlan, Error, ErrorKind, Fleet, PlanRow, plan::hash_of};

/// Length of the id of a run, in hexadecimal digits.
const ID_DIGITS: usize = 12;

impl Fleet {
    /// Starts a run of an approved plan. Nothing is sent until the run is worked on.
    ///
    /// An approved plan has one run in a store: its id follows from the plan and its approval. A repeat, such as after an error of the
    /// store, returns the same run. To do the plan again, approve it again.
    ///
    /// # Errors
    ///
    /// The plan has lapsed, was changed, has too many machines, or is for another tenant: see [`ErrorKind`]. [`Store`](ErrorKind::Store):
    /// the run may be in the store, without any request sent; the error names it, and a repeat is safe.
    pub async fn start(&self, approved: &ApprovedPlan) -> Result<Run, Error> {
        let plan = &approved.plan;
        plan.check(self)?;
        let mut rows: Vec<&PlanRow> = plan.rows.iter().collect();
        rows.sort_by_key(|row| row.wave);
        let document = RunDocument { version: VERSION, approved: approved.clone() };
        let document = serde_json::to_string(&document).map_err(|error| {
            Error::new(ErrorKind::PlanFile, format!("the plan has no JSON form: {error}")).caused_by(error)
        })?;
        let id = id_of(approved)?;
        let new = NewRun {
            id: id.clone(),
            tenant_id: plan.tenant_id.clone(),
            document,
            halt_after: plan.halt_after,
            rows: rows
                .into_iter()
                .map(|row| NewRow { wave: row.wave, document: RowDocument::planned(row).to_text() })
                .collect(),
        };
        let failed = |error: StoreError| {
            let why = format!("tenant `{}`, run {id}: {error}; start the plan again, or resume the run", plan.tenant);
            Error::new(ErrorKind::Store, why).caused_by(error)
        };
        if self.stores().runs.create_run(&new).await.map_err(failed)? == CreatedRun::Existing {
            let run = self.run(&id).await?;
            if *run.approved != *approved {
                let why = format!("the store has a run {id} of another plan; approve the plan again");
                return Err(run.failed(ErrorKind::Store, why));
            }
            return Ok(run);
        }
        Ok(Run { fleet: self.clone(), id, approved: Arc::new(approved.clone()) })
    }

    /// Returns a run of the store. Nothing is sent, and nothing changes.
    ///
    /// # Errors
    ///
    /// [`UnknownRun`](ErrorKind::UnknownRun), [`UnknownTenant`](ErrorKind::UnknownTenant) if the fleet does not have its tenant,
    /// [`PlanOfAnotherTenant`](ErrorKind::PlanOfAnotherTenant) if the tenant has another id now, [`Store`](ErrorKind::Store).
    pub async fn run(&self, id: &RunId) -> Result<Run, Error> {
        let stored = self.stores().runs.run(id).await?;
        let stored = stored.ok_or_else(|| {
            Error::new(ErrorKind::UnknownRun, format!("the store has no run {id}; `Fleet::runs` lists its runs"))
        })?;
        let approved = approved(&stored)?;
        self.is_of_tenant(&approved)?;
        Ok(Run { fleet: self.clone(), id: id.clone(), approved: Arc::new(approved) })
    }

    /// Ends the halt of a run, and returns the run. Its failures count from 0 again. Nothing is sent until the run is worked on.
    ///
    /// A run that was begun is resumed also if its plan has lapsed: the call is a person's word. The machines are not read anew. Make another
    /// plan for the rest if their states may have changed.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn resume(&self, id: &RunId) -> Result<Run, Error> {
        let run = self.run(id).await?;
        let halts = self.departures().halts(id);
        let reopened = self.stores().runs.reopen_run(id).await;
        reopened.map_err(|error| run.failed(ErrorKind::Store, &error).caused_by(error))?;
        self.departures().reopen(id, halts);
        Ok(run)
    }

    /// Returns the newest runs of all tenants, the newest first. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`Store`](ErrorKind::Store).
    pub async fn runs(&self, at_most: usize) -> Result<Vec<RunSummary>, Error> {
        let runs = self.stores().runs.runs(at_most).await?;
        runs.into_iter()
            .map(|stored| {
                let approved = approved(&stored)?;
                Ok(RunSummary::of(stored, &approved))
            })
            .collect()
    }

    /// Fails unless the fleet has the tenant of the plan.
    fn is_of_tenant(&self, approved: &ApprovedPlan) -> Result<(), Error> {
        let plan = &approved.plan;
        let tenant = self.tenants().get(&plan.tenant)?;
        if tenant.id().eq_ignore_ascii_case(&plan.tenant_id) {
            return Ok(());
        }
        let message = format!(
            "the plan is for tenant `{}` with the id {}, and that tenant has the id {} here",
            plan.tenant,
            plan.tenant_id,
            tenant.id()
        );
        Err(Error::new(ErrorKind::PlanOfAnotherTenant, message))
    }
}

/// Returns the id of the run of an approved plan.
fn id_of(approved: &ApprovedPlan) -> Result<RunId, Error> {
    let ApprovedPlan { plan, approver, ticket, approved_at } = approved;
    let parts = serde_json::json!([plan.hash, approver, ticket, approved_at]);
    let digits: String = hash_of(&parts).chars().take(ID_DIGITS).collect();
    RunId::new(&digits).ok_or_else(|| Error::new(ErrorKind::PlanFile, "the plan has no JSON form"))
}

fn approved(stored: &StoredRun) -> Result<ApprovedPlan, Error> {
    let what = format!("run {}", stored.id);
    parse_versioned::<RunDocument>(&stored.document, VERSION, &what).map(|document| document.approved)
}
