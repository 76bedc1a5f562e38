//! One run of a plan: a second one would send each action again.

use defender_fleet::{Plan, Run, RunSummary};
use defender_store::RunId;

use crate::{failure::Failure, session::Session};

/// Number of the newest runs of the store among which a run of the plan is searched for. A plan lapses after an hour.
const RECENT: usize = 200;

/// Refuses a plan that was run already.
pub(super) async fn refuse_repeat(session: &Session, plan: &Plan) -> Result<(), Failure> {
    match runs_of(session, plan).await?.next() {
        Some(run) => Err(refused(session, "the plan was run already", &run.id)),
        None => Ok(()),
    }
}

/// Returns another run of the plan of a run that was created: another command has started it since [`refuse_repeat`]. Of two that start at
/// the same moment, each has created its run before it looks, so that at most one goes on.
pub(super) async fn other_run(session: &Session, run: &Run) -> Result<Option<RunId>, Failure> {
    let mut runs = runs_of(session, &run.approved().plan).await?;
    Ok(runs.find(|other| other.id != *run.id()).map(|other| other.id))
}

/// Refuses to go on with a run of which nothing was sent, if the store has another run of its plan that goes on or has sent something.
pub(super) async fn refuse_other(session: &Session, run: &Run) -> Result<(), Failure> {
    let is_idle = |run: &RunSummary| run.halted.is_some() && run.counts.planned == run.counts.total();
    let mut others = runs_of(session, &run.approved().plan).await?.filter(|other| other.id != *run.id());
    match others.find(|other| !is_idle(other)) {
        Some(other) => Err(refused(session, "the plan was run by another command", &other.id)),
        None => Ok(()),
    }
}

/// Halts a run of which nothing was sent, since the store has another run of its plan, and returns the failure.
pub(super) async fn refuse_second(session: &Session, run: &Run, other: &RunId) -> Failure {
    let why = "the plan was run by another command at the same time";
    let halted = run.halt(&format!("{why}, as run {other}")).await;
    let refused = refused(session, why, other);
    match halted {
        Ok(()) => refused,
        Err(error) => {
            let id = run.id();
            Failure {
                message: format!("{refused}; run {id} of this command is not halted, do not resume it: {error}"),
                ..refused
            }
        }
    }
}

/// Returns the runs of the plan, the newest first.
async fn runs_of(session: &Session, plan: &Plan) -> Result<impl Iterator<Item = RunSummary>, Failure> {
    let runs = session.fleet.runs(RECENT).await?;
    Ok(runs.into_iter().filter(|run| run.tenant == plan.tenant && run.plan_hash == plan.hash))
}

fn refused(session: &Session, why: &str, run: &RunId) -> Failure {
    Failure::usage(format!(
        "nothing was sent: {why}, as run {run}; {} reports it, {} goes on with it, and another plan does it again",
        session.command(&format!("report {run}")),
        session.command(&format!("resume {run}")),
    ))
}

#[cfg(test)]
mod tests {
    use defender_actions::model::RestrictCodeExecution;
    use defender_fleet::Targets;

    use super::*;
    use crate::cli::global::Global;

    #[tokio::test]
    async fn second_run_of_a_plan_is_halted() {
        let session = Session::open(&Global { demo: true, ..Global::default() }).await.unwrap();
        let builder = session.fleet.plan("demo").unwrap().targets(Targets::names(["ws-fin-01.contoso.example"]));
        let plan = builder.action(RestrictCodeExecution::new("INC-4711").unwrap()).resolve().await.unwrap();
        refuse_repeat(&session, &plan).await.unwrap();
        let start = async |approver: &str| {
            let approved = plan.clone().approved_by(approver, "CHG-12").unwrap();
            session.fleet.start(&approved).await.unwrap()
        };
        let first = start("jo").await;
        assert_eq!(other_run(&session, &first).await.unwrap(), None);
        let second = start("kim").await;
        let other = other_run(&session, &second).await.unwrap().unwrap();
        let failure = refuse_second(&session, &second, &other).await;
        assert!(failure.message.contains(&format!("as run {}", first.id())), "{failure}");
        let halted = |run: &RunSummary| run.halted.is_some();
        let runs = session.fleet.runs(9).await.unwrap();
        assert_eq!(
            runs.iter().map(|run| (&run.id, halted(run))).collect::<Vec<_>>(),
            [(second.id(), true), (first.id(), false)]
        );
    }
}
