//! The plan that undoes a run.

use defender_actions::{
    BoxFuture,
    model::{self, Isolate, IsolationType, RestrictCodeExecution, Unisolate, UnrestrictCodeExecution},
};
use defender_store::{RowState, StoredRow};

use super::{
    handle::Run,
    row::{RowDocument, RowOrigin},
};
use crate::{Error, ErrorKind, FleetAction, LeftOut, LeftOutReason, Plan, PlanBuilder, Targets};

impl Run {
    /// Returns the plan that undoes the run: the inverse of its action on each machine on which the action succeeded and is certainly the
    /// run's own, that is [`Created`](RowOrigin::Created) or [`Recovered`](RowOrigin::Recovered). Every other machine of the run is in
    /// [`left_out`](Plan::left_out), with the reason.
    ///
    /// The machines are read anew, as by [`PlanBuilder::resolve`]. Nothing is sent to them: the plan is approved and run like another.
    ///
    /// | row of the run | in the plan |
    /// |---|---|
    /// | succeeded; created, or recovered by its generated external id | yes, unless the machine is no longer in the state |
    /// | succeeded; recovered by its comment alone | only with [`even_if_not_ours`](Revert::even_if_not_ours) |
    /// | joined | never: the action may be somebody else's |
    /// | submitted, and has not ended | no: wait for its end, and revert then |
    /// | failed, refused, unknown, not sent | no |
    ///
    /// ```no_run
    /// # async fn example(run: defender_fleet::Run, fleet: defender_fleet::Fleet) -> Result<(), defender_fleet::Error> {
    /// let plan = run.revert("INC-4711: false positive").await?;
    /// println!("{plan}");
    /// let undone = fleet.start(&plan.approved_by("jo@contoso.example", "CHG-13")?).await?;
    /// println!("{}", undone.finish().await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) if the action has no inverse or the comment is blank; the errors of the store and of
    /// [`PlanBuilder::resolve`].
    pub fn revert(&self, comment: impl Into<String>) -> Revert {
        Revert { run: self.clone(), comment: comment.into(), even_if_not_ours: false }
    }
}

/// Plan that undoes a run: see [`Run::revert`]. Nothing is read before it is awaited.
#[derive(Clone, Debug)]
#[must_use = "nothing is read until this is awaited"]
pub struct Revert {
    run: Run,
    comment: String,
    even_if_not_ours: bool,
}

impl Revert {
    /// Includes actions that were recovered by their comment alone. They are the run's own, unless another process did the same at the same
    /// time.
    pub fn even_if_not_ours(mut self) -> Self {
        self.even_if_not_ours = true;
        self
    }

    /// Returns the builder of the plan, for waves and other settings. Its maximum is the number of its machines.
    ///
    /// # Errors
    ///
    /// As [`Run::revert`].
    pub async fn builder(self) -> Result<PlanBuilder, Error> {
        let Self { run, comment, even_if_not_ours } = self;
        let action = inverse(&run, comment)?;
        let (mut ids, mut left_out) = (Vec::new(), Vec::new());
        for (row, document) in run.rows().await? {
            match reason(&row, &document, even_if_not_ours) {
                None => ids.push(document.machine_id.as_str().to_owned()),
                Some(reason) => {
                    let target = document.name.as_deref().unwrap_or(document.machine_id.as_str()).to_owned();
                    let source = Some(format!("run {}", run.id));
                    left_out.push(LeftOut { target, source, machine_id: Some(document.machine_id), reason });
                }
            }
        }
        let machines = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let builder = run.fleet.plan(run.tenant())?.action(action).targets(Targets::ids(ids)).max_machines(machines);
        Ok(builder.reverts(run.id.as_str(), left_out))
    }
}

impl IntoFuture for Revert {
    type Output = Result<Plan, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.builder().await?.resolve().await })
    }
}

/// Returns the action that undoes the action of a run.
fn inverse(run: &Run, comment: String) -> Result<FleetAction, Error> {
    let action = &run.approved.plan.action;
    let action: Result<FleetAction, model::Error> = match action.info().inverse {
        Some("Isolate") => Isolate::new(comment, IsolationType::Full).map(Into::into),
        Some("Unisolate") => Unisolate::new(comment).map(Into::into),
        Some("RestrictCodeExecution") => RestrictCodeExecution::new(comment).map(Into::into),
        Some("UnrestrictCodeExecution") => UnrestrictCodeExecution::new(comment).map(Into::into),
        _ => {
            let why = format!("{} has no inverse, so the run cannot be undone by another action", action.action_type());
            return Err(run.failed(ErrorKind::Configuration, why));
        }
    };
    action.map_err(|error| run.failed(ErrorKind::Configuration, &error).caused_by(error))
}

/// Returns why a row is not undone, or `None` if it is.
fn reason(row: &StoredRow, document: &RowDocument, even_if_not_ours: bool) -> Option<LeftOutReason> {
    let attempt = &document.attempt;
    let action = attempt.action_id.as_ref().map_or("?", |id| id.as_str());
    let error = || attempt.error.as_ref().map_or("", |error| error.message.as_str());
    let message = match (row.state, attempt.origin) {
        (RowState::Planned, _) => "the run sent nothing to the machine".to_owned(),
        (RowState::Sending, _) => "the request of the run may have been sent; work on the run first".to_owned(),
        (RowState::Failed, _) => format!("the run did nothing on the machine: {}", error()),
        (RowState::Unknown, _) => format!("the outcome is unknown, so look at the machine: {}", error()),
        (_, None) => "the run has no action on the machine".to_owned(),
        (_, Some(RowOrigin::Joined)) => {
            format!("the run joined action {action}, which may be that of somebody else")
        }
        (_, Some(RowOrigin::RecoveredByComment)) if !even_if_not_ours => {
            format!("action {action} was recovered by its comment alone; `.even_if_not_ours()` includes it")
        }
        (RowState::Submitted, Some(_)) => return Some(LeftOutReason::InversePending { action_id: action.to_owned() }),
        (RowState::Succeeded, Some(_)) => return None,
    };
    Some(LeftOutReason::NotOurs { message })
}
