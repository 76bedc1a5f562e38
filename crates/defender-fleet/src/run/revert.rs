//! The plan that undoes a run.

use std::collections::HashMap;

use defender_actions::{
    BoxFuture,
    model::{self, Isolate, IsolationType, RestrictCodeExecution, Unisolate, UnrestrictCodeExecution},
};
use defender_store::{RowState, StoredRow};

use super::{
    handle::Run,
    row::{RowDocument, RowOrigin},
};
use crate::{
    Error, ErrorKind, FleetAction, LeftOut, LeftOutReason, Plan, PlanBuilder, Targets, plan::Reverts, reads::key,
};

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
    /// | failed, refused, unknown, not sent, not sent again | no |
    ///
    /// A machine is also left out if the history shows that its state is not the run's: somebody changed it after the action of the run, or
    /// it was in the state already before.
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
    /// [`Configuration`](ErrorKind::Configuration) if the action has no inverse, the comment is blank, or the run released machines and
    /// [`isolation_type`](Revert::isolation_type) is not set; the errors of the store and of
    /// [`PlanBuilder::resolve`].
    pub fn revert(&self, comment: impl Into<String>) -> Revert {
        Revert { run: self.clone(), comment: comment.into(), even_if_not_ours: false, isolation_type: None }
    }
}

/// Plan that undoes a run: see [`Run::revert`]. Nothing is read before it is awaited.
#[derive(Clone, Debug)]
#[must_use = "nothing is read until this is awaited"]
pub struct Revert {
    run: Run,
    comment: String,
    even_if_not_ours: bool,
    isolation_type: Option<IsolationType>,
}

impl Revert {
    /// Includes actions that were recovered by their comment alone. They are the run's own, unless another process did the same at the same
    /// time.
    pub fn even_if_not_ours(mut self) -> Self {
        self.even_if_not_ours = true;
        self
    }

    /// Sets the type of the isolation that undoes a release. It is required if the run released machines, and has no effect otherwise: the
    /// record of a release does not state how the machine was isolated.
    pub fn isolation_type(mut self, isolation_type: IsolationType) -> Self {
        self.isolation_type = Some(isolation_type);
        self
    }

    /// Returns the builder of the plan, for waves and other settings. Its maximum is the number of its machines.
    ///
    /// # Errors
    ///
    /// As [`Run::revert`].
    pub async fn builder(self) -> Result<PlanBuilder, Error> {
        let Self { run, comment, even_if_not_ours, isolation_type } = self;
        let action = inverse(&run, comment, isolation_type)?;
        let (mut ids, mut left_out, mut actions) = (Vec::new(), Vec::new(), HashMap::new());
        for (row, mut document) in run.rows().await? {
            // The retry that no worker has begun.
            document.begin(row.attempt, String::new());
            match reason(&row, &document, even_if_not_ours) {
                None => {
                    ids.push(document.machine_id.as_str().to_owned());
                    actions.extend(document.attempt.action_id.map(|action| (key(&document.machine_id), action)));
                }
                Some(reason) => {
                    let target = document.name.as_deref().unwrap_or(document.machine_id.as_str()).to_owned();
                    let source = Some(format!("run {}", run.id));
                    let (machine_id, name) = (Some(document.machine_id), document.name);
                    left_out.push(LeftOut { target, source, machine_id, name, reason });
                }
            }
        }
        let machines = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let builder = run.fleet.plan(run.tenant())?.action(action).targets(Targets::ids(ids)).max_machines(machines);
        Ok(builder.reverts(Reverts { run: run.id.to_string(), left_out, actions }))
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
fn inverse(run: &Run, comment: String, isolation_type: Option<IsolationType>) -> Result<FleetAction, Error> {
    let action = &run.approved.plan.action;
    let action: Result<FleetAction, model::Error> = match action.info().inverse {
        Some("Isolate") => {
            let isolation_type = isolation_type.ok_or_else(|| {
                let why = "a release is undone by an isolation, and the run does not have its type; set it with `.isolation_type(..)`";
                run.failed(ErrorKind::Configuration, why)
            })?;
            Isolate::new(comment, isolation_type).map(Into::into)
        }
        Some("Unisolate") => Unisolate::new(comment).map(Into::into),
        Some("RestrictCodeExecution") => RestrictCodeExecution::new(comment).map(Into::into),
        Some("UnrestrictCodeExecution") => UnrestrictCodeExecution::new(comment).map(Into::into),
        inverse => return Err(run.failed(ErrorKind::Configuration, not_undone(action.action_type(), inverse))),
    };
    action.map_err(|error| run.failed(ErrorKind::Configuration, &error).caused_by(error))
}

/// Returns why the actions of a run cannot be undone by a plan.
fn not_undone(action_type: &str, inverse: Option<&str>) -> String {
    match inverse {
        None => format!("{action_type} has no inverse, so the run cannot be undone by another action"),
        Some(inverse) => format!(
            "{action_type} is undone by {inverse}, of which this version makes no plan; update the program, or undo the run by {inverse} on \
             each machine"
        ),
    }
}

/// Returns why a row is not undone, or `None` if it is.
fn reason(row: &StoredRow, document: &RowDocument, even_if_not_ours: bool) -> Option<LeftOutReason> {
    let attempt = &document.attempt;
    let action = attempt.action_id.as_ref().map_or("?", |id| id.as_str());
    let error = || attempt.error.as_ref().map_or("", |error| error.message.as_str());
    let message = match (row.state, attempt.origin) {
        (RowState::Planned, _) => not_sent(document),
        (RowState::Sending, _) => "the request of the run may have been sent; work on the run first".to_owned(),
        (RowState::Failed, _) => match &attempt.status {
            Some(status) => format!("action {action} of the run ended as {status}; look at the machine: {}", error()),
            None if !document.open_attempts().is_empty() => {
                format!("the outcome of an earlier attempt is unknown; look at the machine: {}", error())
            }
            None => format!("the run did nothing on the machine: {}", error()),
        },
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

/// Returns why a planned row is not undone. An earlier attempt of it may have been sent.
fn not_sent(document: &RowDocument) -> String {
    let Some(before) = document.earlier.last() else { return "the run sent nothing to the machine".to_owned() };
    let error = before.error.as_ref().map_or("", |error| error.message.as_str());
    document.unknown_attempt().map_or_else(|| match (&before.status, &before.action_id) {
        (Some(status), Some(action)) => {
            format!("action {action} of the run ended as {status}, and its retry was not sent; look at the machine: {error}")
        }
        _ => format!("the run did nothing on the machine, and its retry was not sent: {error}"),
    }, |unknown| unknown.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_inverse_is_named() {
        let text = not_undone("Contain", Some("Uncontain"));
        assert!(text.starts_with("Contain is undone by Uncontain, of which this version makes no plan; "), "{text}");
        assert!(!text.contains("no inverse"), "{text}");
        assert!(not_undone("Offboard", None).starts_with("Offboard has no inverse, "));
    }
}
