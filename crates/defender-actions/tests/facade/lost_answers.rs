//! For each point at which a POST can break, under each thing that the service does with a repeat, and with reads that lag: what the
//! service received and did, and what the caller is told.
//!
//! The rules are worked out here once more, from the table of points, so that a row that fails names itself.

use std::time::Duration;

use defender_actions::{
    BoxFuture, DefenderClient, Error, ErrorKind, ExternalIds, Intent, Origin, Submitted, UnknownReason,
    transport::Clock,
};
use defender_emulator::{Duplicates, Fault, Operation, Quotas, RetryAfter};

use crate::world::{DUPLICATES, HOUR, MINUTE, World};

const COMMENT: &str = "Machine was cleaned and validated";
const OPERATION: Operation = Operation::UnrestrictCodeExecution;

/// What is known at a point at which the answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// The request certainly never arrived.
    NotSent,
    /// It arrived, and did nothing.
    BeforeTheEffect,
    /// It did what it does, and no status came.
    AfterTheEffect,
    /// The status came, and not all of the body.
    InTheBody,
}

/// Each way to break at each point, and how often.
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
    // It falls silent for too long, and it comes too slowly on the whole.
    (Point::InTheBody, Fault::SlowBytes(Duration::from_secs(40)), 1),
    (Point::InTheBody, Fault::SlowBytes(Duration::from_secs(10)), 1),
];

/// Seconds: not at all, within the grace, and beyond it however long the loss itself took.
const LAGS: [u64; 4] = [0, 60, 119, 500];

/// What somebody else asked for ten minutes before, and is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Earlier {
    Nothing,
    /// The same action for another reason.
    ForAnotherReason,
    /// The same action with the same comment.
    WithTheSameComment,
}

const EARLIER: [Earlier; 3] = [Earlier::Nothing, Earlier::ForAnotherReason, Earlier::WithTheSameComment];

/// What the service does with the POST, if it comes to that.
fn is_created(point: Point, duplicates: Duplicates, earlier: Earlier) -> bool {
    matches!(point, Point::AfterTheEffect | Point::InTheBody)
        && (earlier == Earlier::Nothing || duplicates == Duplicates::Accept)
}

/// Reason of an action that is not found. One that began on the machine ten minutes before may be it, whatever its comment:
/// comments are seen to change.
fn not_found(earlier: Earlier) -> UnknownReason {
    match earlier {
        Earlier::Nothing => UnknownReason::NothingFound,
        Earlier::ForAnotherReason | Earlier::WithTheSameComment => UnknownReason::MayBeOurs,
    }
}

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Ok(Origin),
    Err(ErrorKind, Option<UnknownReason>),
}

impl From<&Result<Submitted, Error>> for Told {
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

/// Lets somebody else ask, and time pass.
async fn asked_earlier(world: &World, earlier: Earlier) {
    let comment = match earlier {
        Earlier::Nothing => return,
        Earlier::ForAnotherReason => "Another reason",
        Earlier::WithTheSameComment => COMMENT,
    };
    let asked = world.client().machine(world.machine()).unrestrict_code_execution(comment).send();
    world.run(asked).await.unwrap();
    world.clock.advance(MINUTE * 10);
}

fn ask(world: &World, client: &DefenderClient) -> BoxFuture<Result<Submitted, Error>> {
    client.machine(world.machine()).unrestrict_code_execution(COMMENT).into_future()
}

#[tokio::test]
async fn whatever_breaks_it_is_sent_once_and_its_outcome_is_told() {
    for &(point, fault, times) in BREAKS {
        for duplicates in DUPLICATES {
            for lag in LAGS {
                for earlier in EARLIER {
                    let row =
                        format!("{fault:?} ({point:?}), repeats: {duplicates:?}, lag: {lag} s, before: {earlier:?}");
                    let world = world(duplicates, lag);
                    asked_earlier(&world, earlier).await;
                    let before = world.ledger().len();
                    world.emulator.fault(fault).on(OPERATION).times(times);
                    let outcome = world.run(ask(&world, &world.client())).await;

                    let created = is_created(point, duplicates, earlier);
                    let is_refusal = earlier != Earlier::Nothing && duplicates == Duplicates::Refuse;
                    let expected = match point {
                        Point::NotSent => Told::Err(ErrorKind::ConnectFailed, None),
                        _ if created && lag <= 120 => Told::Ok(Origin::Recovered),
                        // The status says that it was refused, and not why.
                        Point::InTheBody if is_refusal => Told::Err(ErrorKind::Refused, None),
                        Point::InTheBody => Told::Err(ErrorKind::InvalidResponse, Some(not_found(earlier))),
                        _ => Told::Err(ErrorKind::OutcomeUnknown, Some(not_found(earlier))),
                    };
                    assert_eq!(Told::from(&outcome), expected, "{row}: {outcome:?}");
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
async fn what_was_not_sent_at_first_is_sent_once_when_it_can_be() {
    for fault in [Fault::RefuseConnection, Fault::TlsFailure, Fault::TooManyRequests(RetryAfter::Seconds(3))] {
        for (duplicates, earlier) in DUPLICATES.into_iter().flat_map(|each| EARLIER.map(|earlier| (each, earlier))) {
            let row = format!("{fault:?}, repeats: {duplicates:?}, before: {earlier:?}");
            let world = world(duplicates, 0);
            asked_earlier(&world, earlier).await;
            let before = world.ledger().len();
            world.emulator.fault(fault).on(OPERATION).times(1);
            let outcome = world.run(ask(&world, &world.client())).await;
            let created = earlier == Earlier::Nothing || duplicates == Duplicates::Accept;
            let expected = if created { Origin::Created } else { Origin::Joined };
            assert_eq!(Told::from(&outcome), Told::Ok(expected), "{row}");
            assert_eq!(world.ledger().created(before).len(), usize::from(created), "{row}");
        }
    }
}

/// Where a future is when it is dropped, or its process killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nobody has polled it.
    Unpolled,
    /// It waits for a token.
    BeforeSending,
    BeforeTheEffect,
    AfterTheEffect,
    InTheBody,
    /// It has lost its answer and looks for its action.
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

/// What becomes of whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The future is dropped, and its client goes on.
    Dropped,
    /// Nothing is left but what was written down.
    Killed,
}

#[tokio::test]
async fn wherever_it_is_dropped_or_killed_the_intent_that_was_written_down_tells_the_outcome() {
    for (place, fault) in PLACES {
        for (end, duplicates) in DUPLICATES.into_iter().flat_map(|each| [(End::Dropped, each), (End::Killed, each)]) {
            for (lag, earlier) in LAGS.into_iter().flat_map(|lag| EARLIER.map(|earlier| (lag, earlier))) {
                let row = format!("{place:?}, {end:?}, repeats: {duplicates:?}, lag: {lag} s, before: {earlier:?}");
                let world = world(duplicates, lag);
                asked_earlier(&world, earlier).await;
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
                        continue; // It was faster than it could be dropped.
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
                    Told::Ok(Origin::Recovered)
                } else {
                    Told::Err(ErrorKind::OutcomeUnknown, Some(not_found(earlier)))
                };
                assert_eq!(Told::from(&outcome), expected, "{row}: {outcome:?}");
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

/// Two clients of one application, with the same comment, one of which loses its answer.
async fn both(duplicates: Duplicates, fault: Fault, ids: ExternalIds) -> (World, [Result<Submitted, Error>; 2]) {
    let world = world(duplicates, 0);
    world.emulator.fault(fault).on(OPERATION).times(1);
    let asked = || {
        let client = world.builder_over(world.emulator.transport()).external_ids(ids).build().unwrap();
        ask(&world, &client)
    };
    let (first, second) = world.run(futures_util::future::join(asked(), asked())).await;
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
async fn of_two_clients_with_one_comment_neither_is_told_ok_for_the_other_s_without_the_docs_words_for_it() {
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
            // `Recovered` and `Joined` say that it may be another's. `Created` says so of the one case in which nothing can tell:
            // the service gives an action of the same comment and the same few seconds for an answer.
            let given = effects[which] == defender_emulator::Effect::Joined(id.to_owned());
            assert!(own || submitted.origin() != Origin::Created || given, "{row}, client {which}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn generated_ids_tell_two_clients_apart() {
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
                // Whose POST made an action is told of that one.
                Ok(Origin::Created | Origin::Recovered) => assert_eq!(id, own, "{row}, client {which}"),
                // Whose POST did not may join the other's, and is told so.
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
async fn two_at_once_of_one_client_never_take_the_same_action_for_theirs() {
    for (duplicates, fault) in DUPLICATES.into_iter().flat_map(|each| LOSSES.map(|fault| (each, fault))) {
        let row = format!("{fault:?}, repeats: {duplicates:?}");
        let world = world(duplicates, 0);
        world.emulator.fault(fault).on(OPERATION).times(1);
        let client = world.client();
        let (first, second) = world.run(futures_util::future::join(ask(&world, &client), ask(&world, &client))).await;
        let id = |outcome: &Result<Submitted, Error>| {
            let alone = |submitted: &&Submitted| submitted.origin() != Origin::Joined;
            outcome.as_ref().ok().filter(alone).map(|submitted| submitted.id().clone())
        };
        let (first_id, second_id) = (id(&first), id(&second));
        assert!(first_id.is_none() || first_id != second_id, "{row}: {first:?} {second:?}");
    }
}

#[tokio::test]
async fn one_that_looks_waits_for_another_of_its_client_that_has_no_answer_yet() {
    // The first is lost before it did anything, and the second is made and answered late: the first finds the second's action.
    let world = world(Duplicates::Accept, 0);
    world.emulator.fault(Fault::ResetBeforeEffect).on(OPERATION).times(1);
    world.emulator.fault(Fault::SlowBytes(Duration::from_millis(50))).on(OPERATION).times(1);
    let client = world.client();
    let (first, second) = world.run(futures_util::future::join(ask(&world, &client), ask(&world, &client))).await;
    assert_eq!(Told::from(&second), Told::Ok(Origin::Created));
    assert_eq!(Told::from(&first), Told::Err(ErrorKind::OutcomeUnknown, Some(UnknownReason::MayBeOurs)));
}

#[tokio::test]
async fn who_waited_long_in_the_queue_does_not_take_what_another_asked_for_meanwhile_for_its_own() {
    // A hundred calls fill the minute; the next one waits, and an action of the same comment appears in that time.
    let world = World::with(|emulator| emulator.duplicates(Duplicates::Join).quotas(Quotas::Off).pending_for(HOUR));
    let (client, machines) = (world.client(), world.machines());
    for _ in 0..100 {
        let other = client.machine(machines[1].clone()).unrestrict_code_execution("Full").send();
        world.run(other).await.unwrap();
    }
    let theirs = async {
        Clock::sleep(&world.clock, Duration::from_secs(20)).await;
        ask(&world, &world.client()).await.unwrap()
    };
    let (ours, theirs) = world.run(futures_util::future::join(ask(&world, &client), theirs)).await;
    assert_eq!(Told::from(&Ok(theirs)), Told::Ok(Origin::Created));
    assert_eq!(Told::from(&ours), Told::Ok(Origin::Joined));
}
