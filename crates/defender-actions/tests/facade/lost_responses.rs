//! Every point at which a POST can break, combined with every behavior of the service on a repeat and with delayed reads. The
//! tests compare the requests and effects in the service with the outcome that the caller gets.
//!
//! The rules are derived here a second time from the table of points, so that a failed row names itself.

use std::time::Duration;

use defender_actions::{
    BoxFuture, DefenderClient, Error, ErrorKind, ExternalIds, Intent, Origin, Submitted, UnknownReason,
    transport::Clock,
};
use defender_emulator::{Duplicates, Fault, Operation, Quotas, RetryAfter};

use crate::world::{DUPLICATES, HOUR, MINUTE, World};

const COMMENT: &str = "Machine was cleaned and validated";
const OPERATION: Operation = Operation::UnrestrictCodeExecution;

/// Knowledge at the point at which the response was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// The request certainly never arrived.
    NotSent,
    /// It arrived and had no effect.
    BeforeTheEffect,
    /// It took effect, and no status was received.
    AfterTheEffect,
    /// The status was received, and only a part of the body.
    InTheBody,
}

/// Each kind of break at each point, with its number of repetitions.
const BREAKS: &[(Point, Fault, u32)] = &[
    (Point::NotSent, Fault::RefuseConnection, 5),
    (Point::NotSent, Fault::TlsFailure, 5),
    (Point::BeforeTheEffect, Fault::ResetBeforeEffect, 1),
    (Point::BeforeTheEffect, Fault::Hang, 1),
    (Point::BeforeTheEffect, Fault::Html502, 1),
    (Point::BeforeTheEffect, Fault::Status(500, RetryAfter::Absent), 1),
    (Point::BeforeTheEffect, Fault::Status(503, RetryAfter::Seconds(1)), 1),
    (Point::BeforeTheEffect, Fault::Status(408, RetryAfter::Absent), 1),
    (Point::AfterTheEffect, Fault::ResetAfterEffect, 1),
    (Point::AfterTheEffect, Fault::HangAfterEffect, 1),
    (Point::AfterTheEffect, Fault::Html502AfterEffect, 1),
    (Point::AfterTheEffect, Fault::StatusAfterEffect(500, RetryAfter::Absent), 1),
    (Point::AfterTheEffect, Fault::StatusAfterEffect(504, RetryAfter::Seconds(1)), 1),
    (Point::InTheBody, Fault::TruncatedBody, 1),
    (Point::InTheBody, Fault::WrongContentLength, 1),
    (Point::InTheBody, Fault::GarbageJson, 1),
    // A body that is silent for too long, and one that is too slow as a whole.
    (Point::InTheBody, Fault::SlowBytes(Duration::from_secs(40)), 1),
    (Point::InTheBody, Fault::SlowBytes(Duration::from_secs(10)), 1),
];

/// Read lags in seconds: none, within the grace, and beyond it for any time that the loss itself takes.
const LAGS: [u64; 4] = [0, 60, 119, 500];

/// Pending action of another caller, submitted ten minutes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Earlier {
    Nothing,
    /// The same action with another comment.
    ForAnotherReason,
    /// The same action with the same comment.
    WithTheSameComment,
}

const EARLIER: [Earlier; 3] = [Earlier::Nothing, Earlier::ForAnotherReason, Earlier::WithTheSameComment];

/// Behavior of the service on the POST, if it arrives.
fn is_created(point: Point, duplicates: Duplicates, earlier: Earlier) -> bool {
    matches!(point, Point::AfterTheEffect | Point::InTheBody)
        && (earlier == Earlier::Nothing || duplicates == Duplicates::Accept)
}

/// Reason of an unknown outcome. An action that began on the machine ten minutes before may be ours with any comment: the
/// service has been seen to change comments.
fn not_found(earlier: Earlier) -> UnknownReason {
    match earlier {
        Earlier::Nothing => UnknownReason::NothingFound,
        Earlier::ForAnotherReason | Earlier::WithTheSameComment => UnknownReason::MayBeOurs,
    }
}

/// Expected result of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reported {
    Ok(Origin),
    Err(ErrorKind, Option<UnknownReason>),
}

impl From<&Result<Submitted, Error>> for Reported {
    fn from(outcome: &Result<Submitted, Error>) -> Self {
        match outcome {
            Ok(submitted) => Self::Ok(submitted.origin()),
            Err(error) => Self::Err(error.kind(), error.reason()),
        }
    }
}

fn world(duplicates: Duplicates, lag: u64) -> World {
    World::with(|emulator| emulator.duplicates(duplicates).read_lag(Duration::from_secs(lag)).pending_for(HOUR * 3))
}

/// Submits the action of another caller and advances the clock.
async fn submit_earlier(world: &World, earlier: Earlier) {
    let comment = match earlier {
        Earlier::Nothing => return,
        Earlier::ForAnotherReason => "Another reason",
        Earlier::WithTheSameComment => COMMENT,
    };
    let submit_one = world.client().machine(world.machine()).unrestrict_code_execution(comment).send();
    world.run(submit_one).await.unwrap();
    world.clock.advance(MINUTE * 10);
}

fn submit(world: &World, client: &DefenderClient) -> BoxFuture<Result<Submitted, Error>> {
    client.machine(world.machine()).unrestrict_code_execution(COMMENT).into_future()
}

#[tokio::test]
async fn lost_response_is_reported_without_resend() {
    for &(point, fault, times) in BREAKS {
        for duplicates in DUPLICATES {
            for lag in LAGS {
                for earlier in EARLIER {
                    let row =
                        format!("{fault:?} ({point:?}), repeats: {duplicates:?}, lag: {lag} s, before: {earlier:?}");
                    let world = world(duplicates, lag);
                    submit_earlier(&world, earlier).await;
                    let before = world.ledger().len();
                    world.emulator.fault(fault).on(OPERATION).times(times);
                    let outcome = world.run(submit(&world, &world.client())).await;

                    let created = is_created(point, duplicates, earlier);
                    let is_refusal = earlier != Earlier::Nothing && duplicates == Duplicates::Refuse;
                    let expected = match point {
                        Point::NotSent => Reported::Err(ErrorKind::ConnectFailed, None),
                        _ if created && lag <= 120 => Reported::Ok(Origin::Recovered),
                        // The status states a refusal without its reason.
                        Point::InTheBody if is_refusal => Reported::Err(ErrorKind::Refused, None),
                        Point::InTheBody => Reported::Err(ErrorKind::InvalidResponse, Some(not_found(earlier))),
                        _ => Reported::Err(ErrorKind::OutcomeUnknown, Some(not_found(earlier))),
                    };
                    assert_eq!(Reported::from(&outcome), expected, "{row}: {outcome:?}");
                    let ledger = world.ledger();
                    let posts = usize::from(point != Point::NotSent);
                    assert_eq!(ledger.len() - before, posts, "POSTs received, {row}");
                    assert_eq!(ledger.created(before).len(), usize::from(created), "effects, {row}");
                    match &outcome {
                        Ok(submitted) => assert_eq!([submitted.id().as_str()], ledger.created(before)[..], "{row}"),
                        Err(error) => {
                            assert_eq!(error.never_sent(), point == Point::NotSent, "{row}");
                            assert_eq!(error.is_retryable(), point == Point::NotSent, "{row}");
                            assert_eq!(error.intent().is_some(), error.reason().is_some(), "{row}");
                        }
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn unsent_request_is_retried() {
    for fault in [Fault::RefuseConnection, Fault::TlsFailure, Fault::TooManyRequests(RetryAfter::Seconds(3))] {
        for (duplicates, earlier) in DUPLICATES.into_iter().flat_map(|each| EARLIER.map(|earlier| (each, earlier))) {
            let row = format!("{fault:?}, repeats: {duplicates:?}, before: {earlier:?}");
            let world = world(duplicates, 0);
            submit_earlier(&world, earlier).await;
            let before = world.ledger().len();
            world.emulator.fault(fault).on(OPERATION).times(1);
            let outcome = world.run(submit(&world, &world.client())).await;
            let created = earlier == Earlier::Nothing || duplicates == Duplicates::Accept;
            let expected = if created { Origin::Created } else { Origin::Joined };
            assert_eq!(Reported::from(&outcome), Reported::Ok(expected), "{row}");
            assert_eq!(world.ledger().created(before).len(), usize::from(created), "{row}");
        }
    }
}

/// State of a future when it is dropped or its process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It has not been polled.
    Unpolled,
    /// It waits for a token.
    BeforeSending,
    BeforeTheEffect,
    AfterTheEffect,
    InTheBody,
    /// Its response is lost and the search is running.
    Looking,
}

const PLACES: [(Place, Option<(Fault, Operation)>); 6] = [
    (Place::Unpolled, None),
    (Place::BeforeSending, Some((Fault::Hang, Operation::Token))),
    (Place::BeforeTheEffect, Some((Fault::Hang, OPERATION))),
    (Place::AfterTheEffect, Some((Fault::HangAfterEffect, OPERATION))),
    (Place::InTheBody, Some((Fault::SlowBytes(Duration::from_secs(10)), OPERATION))),
    (Place::Looking, Some((Fault::ResetAfterEffect, OPERATION))),
];

/// Fate of the submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The future is dropped, and its client lives on.
    Dropped,
    /// The process is killed; only the stored intent is left.
    Killed,
}

#[tokio::test]
async fn dropped_submission_is_recovered_by_intent() {
    for (place, fault) in PLACES {
        for (end, duplicates) in DUPLICATES.into_iter().flat_map(|each| [(End::Dropped, each), (End::Killed, each)]) {
            for (lag, earlier) in LAGS.into_iter().flat_map(|lag| EARLIER.map(|earlier| (lag, earlier))) {
                let row = format!("{place:?}, {end:?}, repeats: {duplicates:?}, lag: {lag} s, before: {earlier:?}");
                let world = world(duplicates, lag);
                submit_earlier(&world, earlier).await;
                let before = world.ledger().len();
                let rule = fault.map(|(fault, operation)| world.emulator.fault(fault).on(operation).times(1));
                let client = world.client();
                let perform = client.machine(world.machine()).unrestrict_code_execution(COMMENT);
                let written_down = serde_json::to_string(&perform.intent().unwrap()).unwrap();
                let time = if place == Place::Looking && lag == 0 { 0 } else { 20 };
                if place == Place::Unpolled {
                    drop(perform.send());
                } else {
                    let output = world.run_for(Duration::from_secs(time), perform.send()).await;
                    assert!(output.is_none() || place == Place::Looking, "{row}: {output:?}");
                    if output.is_some() {
                        continue; // The request finished before it could be dropped.
                    }
                }
                if let Some(rule) = rule {
                    rule.stop();
                }

                let client = match end {
                    End::Dropped => client,
                    End::Killed => world.client(),
                };
                let intent: Intent = serde_json::from_str(&written_down).unwrap();
                let outcome = world.run(client.recover(intent).send()).await;

                let was_sent = !matches!(place, Place::Unpolled | Place::BeforeSending);
                let created = was_sent
                    && place != Place::BeforeTheEffect
                    && (earlier == Earlier::Nothing || duplicates == Duplicates::Accept);
                let expected = if created && lag <= 120 {
                    Reported::Ok(Origin::Recovered)
                } else {
                    Reported::Err(ErrorKind::OutcomeUnknown, Some(not_found(earlier)))
                };
                assert_eq!(Reported::from(&outcome), expected, "{row}: {outcome:?}");
                let ledger = world.ledger();
                assert_eq!(ledger.len() - before, usize::from(was_sent), "POSTs received, {row}");
                assert_eq!(ledger.created(before).len(), usize::from(created), "effects, {row}");
                if let Ok(submitted) = outcome {
                    assert_eq!([submitted.id().as_str()], ledger.created(before)[..], "{row}");
                }
            }
        }
    }
}

/// Two clients of one application with the same comment, one of which loses its response.
async fn both(duplicates: Duplicates, fault: Fault, ids: ExternalIds) -> (World, [Result<Submitted, Error>; 2]) {
    let world = world(duplicates, 0);
    world.emulator.fault(fault).on(OPERATION).times(1);
    let submit_one = || {
        let client = world.builder_over(world.emulator.transport()).external_ids(ids).build().unwrap();
        submit(&world, &client)
    };
    let (first, second) = world.run(futures_util::future::join(submit_one(), submit_one())).await;
    (world, [first, second])
}

const LOSSES: [Fault; 6] = [
    Fault::ResetBeforeEffect,
    Fault::Html502,
    Fault::Hang,
    Fault::ResetAfterEffect,
    Fault::HangAfterEffect,
    Fault::TruncatedBody,
];

#[tokio::test]
async fn two_clients_get_documented_origins() {
    for (duplicates, fault) in DUPLICATES.into_iter().flat_map(|each| LOSSES.map(|fault| (each, fault))) {
        let row = format!("{fault:?}, repeats: {duplicates:?}");
        let (world, outcomes) = both(duplicates, fault, ExternalIds::AsGiven).await;
        let ledger = world.ledger();
        assert_eq!(ledger.len(), 2, "{row}");
        let effects: Vec<_> = ledger.entries().iter().map(|entry| entry.effect.clone()).collect();
        for (which, outcome) in outcomes.iter().enumerate() {
            let Ok(submitted) = outcome else { continue };
            let id = submitted.id().as_str();
            let own = effects[which] == defender_emulator::Effect::Created(id.to_owned());
            // `Recovered` and `Joined` document that the action may be another caller's. `Created` documents the one case that
            // cannot be told apart: the service responds with an action that has the same comment and was created within the same
            // few seconds.
            let given = effects[which] == defender_emulator::Effect::Joined(id.to_owned());
            assert!(own || submitted.origin() != Origin::Created || given, "{row}, client {which}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn generated_ids_separate_two_clients() {
    for (duplicates, fault) in DUPLICATES.into_iter().flat_map(|each| LOSSES.map(|fault| (each, fault))) {
        let row = format!("{fault:?}, repeats: {duplicates:?}");
        let (world, outcomes) = both(duplicates, fault, ExternalIds::Generated).await;
        for (which, outcome) in outcomes.iter().enumerate() {
            let own = match &world.ledger().entries()[which].effect {
                defender_emulator::Effect::Created(id) => Some(id.clone()),
                _ => None,
            };
            let id = outcome.as_ref().ok().map(|submitted| submitted.id().as_str().to_owned());
            match outcome.as_ref().map(Submitted::origin) {
                // The client whose POST created an action gets this action.
                Ok(Origin::Created | Origin::Recovered) => assert_eq!(id, own, "{row}, client {which}"),
                // The other client may join it, and its origin states this.
                Ok(Origin::Joined) => assert!(own.is_none() && which == 1, "{row}, client {which}"),
                Ok(_) => panic!("{row}, client {which}: an origin that is new here"),
                Err(error) => {
                    assert!(own.is_none() && error.is_outcome_unknown(), "{row}, client {which}: {error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn concurrent_submissions_claim_different_actions() {
    for (duplicates, fault) in DUPLICATES.into_iter().flat_map(|each| LOSSES.map(|fault| (each, fault))) {
        let row = format!("{fault:?}, repeats: {duplicates:?}");
        let world = world(duplicates, 0);
        world.emulator.fault(fault).on(OPERATION).times(1);
        let client = world.client();
        let (first, second) =
            world.run(futures_util::future::join(submit(&world, &client), submit(&world, &client))).await;
        let id = |outcome: &Result<Submitted, Error>| {
            let alone = |submitted: &&Submitted| submitted.origin() != Origin::Joined;
            outcome.as_ref().ok().filter(alone).map(|submitted| submitted.id().clone())
        };
        let (first_id, second_id) = (id(&first), id(&second));
        assert!(first_id.is_none() || first_id != second_id, "{row}: {first:?} {second:?}");
    }
}

#[tokio::test]
async fn recovery_waits_for_unanswered_twin() {
    // The first request is lost without effect. The second takes effect, and its response is late, so the first finds its action.
    let world = world(Duplicates::Accept, 0);
    world.emulator.fault(Fault::ResetBeforeEffect).on(OPERATION).times(1);
    world.emulator.fault(Fault::SlowBytes(Duration::from_millis(50))).on(OPERATION).times(1);
    let client = world.client();
    let (first, second) = world.run(futures_util::future::join(submit(&world, &client), submit(&world, &client))).await;
    assert_eq!(Reported::from(&second), Reported::Ok(Origin::Created));
    assert_eq!(Reported::from(&first), Reported::Err(ErrorKind::OutcomeUnknown, Some(UnknownReason::MayBeOurs)));
}

#[tokio::test]
async fn queued_submission_is_dated_when_sent() {
    // A hundred calls use up the minute. The next call waits, and an action with the same comment appears meanwhile.
    let world = World::with(|emulator| emulator.duplicates(Duplicates::Join).quotas(Quotas::Off).pending_for(HOUR));
    let (client, machines) = (world.client(), world.machines());
    for _ in 0..100 {
        let other = client.machine(machines[1].clone()).unrestrict_code_execution("Full").send();
        world.run(other).await.unwrap();
    }
    let theirs = async {
        Clock::sleep(&world.clock, Duration::from_secs(20)).await;
        submit(&world, &world.client()).await.unwrap()
    };
    let (ours, theirs) = world.run(futures_util::future::join(submit(&world, &client), theirs)).await;
    assert_eq!(Reported::from(&Ok(theirs)), Reported::Ok(Origin::Created));
    assert_eq!(Reported::from(&ours), Reported::Ok(Origin::Joined));
}
