//! One run of a plan: a second one would send each action again.

use defender_fleet::{Plan, Run, RunSummary};
use defender_store::RunId;
use jiff::SignedDuration;

use crate::{failure::Failure, session::Session};

/// Number of runs that are read at first.
const FIRST: usize = 200;

/// Largest difference that the clocks of two hosts are expected to have.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

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

/// Returns the refusal to go on with a run of which nothing was sent, if the store has another run of its plan that goes on or has sent
/// something.
pub(super) async fn refusal_of_other(session: &Session, run: &Run) -> Result<Option<Failure>, Failure> {
    let mut others = runs_of(session, &run.approved().plan).await?.filter(|other| other.id != *run.id());
    let other = others.find(|other| !is_unsent(other) || other.halted.is_none());
    Ok(other.map(|other| {
        if !is_unsent(&other) {
            return refused(session, "the plan was run by another command", &other.id);
        }
        let (id, command) = (&other.id, session.command(&format!("halt {}", other.id)));
        Failure::usage(format!(
            "nothing was sent: the plan was run by another command, as run {id}, which has sent nothing so far; {command} ends it, and \
             this command can be repeated then"
        ))
    }))
}

/// Returns whether nothing of the run was sent.
pub(super) fn is_unsent(run: &RunSummary) -> bool {
    run.counts.planned == run.counts.total()
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

/// Returns the runs of the plan, the newest first. The runs of the store are read back to those that are older than the plan. Of a plan that
/// has lapsed, which is refused in any case, only the newest are.
async fn runs_of(session: &Session, plan: &Plan) -> Result<impl Iterator<Item = RunSummary>, Failure> {
    let is_older =
        |run: &RunSummary| run.approved_at.saturating_add(SKEW).is_ok_and(|latest| latest < plan.resolved_at);
    let has_lapsed = session.now() > plan.lapses_at;
    let mut number = FIRST;
    let runs = loop {
        let runs = session.fleet.runs(number).await?;
        // A run may start long after its approval.
        if runs.len() < number || has_lapsed || runs.iter().rev().take(FIRST / 2).all(is_older) {
            break runs;
        }
        number = number.saturating_mul(4);
    };
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
