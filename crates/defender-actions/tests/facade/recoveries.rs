//! Recoveries of one intent: after a search of the same client, twice, at once, and with a date of another clock.

use std::time::Duration;

use defender_actions::{DefenderClient, Intent, Origin, UnknownReason, transport::Clock};
use futures_util::{
    TryStreamExt,
    future::{Either, join, join_all, select},
    poll,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    service::{Break, Repeats, Service},
    submissions::machine,
    world::{HOUR, World},
};

fn without_id(record: &mut Value) {
    record["externalId"] = Value::Null;
}

/// Drops a submission after its effect, and returns its intent.
async fn dropped(service: &Service, client: &DefenderClient) -> Intent {
    let isolate = client.machine(machine()).isolate("c");
    let intent = isolate.intent().unwrap();
    service.clock().run(select(Box::pin(isolate.send()), service.clock().sleep(Duration::from_secs(1)))).await;
    intent
}

/// The clock that dated the intent was ahead, so that a list has shown the record before the date.
#[tokio::test]
async fn record_that_was_seen_before_a_wrong_date_is_recovered() {
    for (ids_are_generated, ahead) in [(false, 4), (true, 4), (true, 30), (true, 800)] {
        let service = Service::new(Repeats::Taken).breaking([Break::Hanging]);
        let client = || if ids_are_generated { service.client_that_generates() } else { service.client() };
        let mut intent = dropped(&service, &client()).await;
        let client = client();
        service.clock().run(client.actions().stream().try_collect::<Vec<_>>()).await.unwrap();
        intent.earliest += SignedDuration::from_secs(ahead);
        let submitted = service.clock().run(client.recover(intent).send()).await;
        assert_eq!(submitted.unwrap().origin(), Origin::Recovered, "{ids_are_generated}, {ahead} s ahead");
    }
}

/// A generated id does not depend on a clock: the last list has the record of any date.
#[tokio::test]
async fn generated_id_is_found_whatever_the_date() {
    for ahead in [-7_200, 1_200, 7_200, 80_000] {
        let world = World::new();
        let client = || {
            let builder = world.builder_over(world.emulator.transport());
            builder.external_ids(defender_actions::ExternalIds::Generated).build().unwrap()
        };
        let isolate = client().machine(world.machine()).isolate("c");
        let mut intent = isolate.intent().unwrap();
        world.run(isolate.send()).await.unwrap();
        intent.earliest += SignedDuration::from_secs(ahead);
        let submitted = world.run(client().recover(intent).send()).await;
        assert_eq!(submitted.unwrap().origin(), Origin::Recovered, "{ahead} s ahead");
    }
}

/// The clock that dated the intent was slow or fast: the search is not shortened by it, and a record with the comment is not cleared by it.
#[tokio::test]
async fn wrong_date_does_not_show_that_nothing_happened() {
    // The record becomes visible 110 s after the request, and the search begins 90 s after it.
    let service = Service::new(Repeats::Taken).breaking([Break::Hanging]).with_lag(Duration::from_secs(110));
    let mut intent = dropped(&service, &service.client()).await;
    intent.earliest -= SignedDuration::from_secs(600);
    service.clock().run(service.clock().sleep(Duration::from_secs(89))).await;
    let outcome = service.clock().run(service.client().recover(intent).send()).await;
    let (Ok(Origin::Recovered) | Err(Some(UnknownReason::MayBeOurs))) =
        outcome.map(|submitted| submitted.origin()).map_err(|error| error.reason())
    else {
        panic!("the search ended too early")
    };
    for (ahead, comment, reason) in [
        (1_200, "c", UnknownReason::MayBeOurs),
        (80_000, "c", UnknownReason::MayBeOurs),
        (1_200, "another", UnknownReason::NothingFound),
        (90_000, "c", UnknownReason::NothingFound),
    ] {
        let service = Service::new(Repeats::Taken);
        let client = service.client();
        let mut intent = client.machine(machine()).isolate("c").intent().unwrap();
        service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Full", "requestorComment": comment}));
        intent.earliest += SignedDuration::from_secs(ahead);
        let error = service.clock().run(service.client().recover(intent).send()).await.unwrap_err();
        assert_eq!(error.reason(), Some(reason), "{ahead} s ahead, {comment}");
    }
}

/// The advice of an unknown outcome: recover its intent later.
#[tokio::test]
async fn intent_of_an_error_is_recovered_by_the_same_client() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]).with_lag(Duration::from_secs(200));
    let client = service.client();
    let error = service.clock().run(client.machine(machine()).isolate("c").send()).await.unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::NothingFound));
    service.clock().run(service.clock().sleep(Duration::from_secs(100))).await;
    let submitted = service.clock().run(client.recover(error.intent().unwrap().clone()).send()).await;
    assert_eq!(submitted.unwrap().origin(), Origin::Recovered);
}

#[tokio::test]
async fn intent_is_recovered_twice_and_at_once() {
    for ids_are_generated in [false, true] {
        for at_once in [false, true] {
            let service = Service::new(Repeats::Taken).breaking([Break::Hanging]);
            let service = if ids_are_generated { service } else { service.spelling(without_id) };
            let client = if ids_are_generated { service.client_that_generates() } else { service.client() };
            let intent = dropped(&service, &client).await;
            let (first, second) = (client.recover(intent.clone()).send(), client.recover(intent).send());
            let (first, second) = if at_once {
                service.clock().run(join(first, second)).await
            } else {
                (service.clock().run(first).await, service.clock().run(second).await)
            };
            let ids = [first, second].map(|recovered| recovered.unwrap().id().clone());
            assert_eq!(ids[0], ids[1], "{ids_are_generated} {at_once}");
        }
    }
}

#[tokio::test]
async fn action_with_a_response_is_recovered_by_its_generated_id() {
    let service = Service::new(Repeats::Taken);
    let client = service.client_that_generates();
    let isolate = client.machine(machine()).isolate("c");
    let intent = isolate.intent().unwrap();
    let created = service.clock().run(isolate.send()).await.unwrap();
    let recovered = service.clock().run(client.recover(intent).send()).await.unwrap();
    assert_eq!((recovered.id(), recovered.origin()), (created.id(), Origin::Recovered));
}

/// A caller recovers an intent although its request is under way.
#[tokio::test]
async fn recovery_leaves_a_running_request_its_action() {
    for ids_are_generated in [false, true] {
        let service = Service::new(Repeats::Taken).breaking([Break::BodyLate]);
        let client = if ids_are_generated { service.client_that_generates() } else { service.client() };
        let isolate = client.machine(machine()).isolate("c");
        let recovery = client.recover(isolate.intent().unwrap());
        let (created, recovered) = service.clock().run(join(isolate.send(), recovery.send())).await;
        let origins = [created, recovered].map(|outcome| outcome.unwrap().origin());
        assert_eq!(origins, [Origin::Created, Origin::Recovered], "{ids_are_generated}");
    }
}

/// Like intents of two submissions stay apart: one record is the action of one of them.
#[tokio::test]
async fn record_of_another_submission_is_not_recovered() {
    let service = Service::new(Repeats::Taken).breaking([Break::BodyLate, Break::BeforeTheEffect]);
    let client = service.client();
    let submissions = [(); 2].map(|()| client.machine(machine()).isolate("c").send());
    let outcomes = service.clock().run(join_all(submissions)).await;
    let lost = outcomes.iter().find_map(|outcome| outcome.as_ref().err()).unwrap();
    let error = service.clock().run(client.recover(lost.intent().unwrap().clone()).send()).await.unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::MayBeOurs));
}

/// The search that reads for all is not polled any more, as in a loop that awaits something else.
#[tokio::test]
async fn search_does_not_wait_for_a_search_that_nobody_polls() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect; 2]);
    let client = service.client();
    let mut first = Box::pin(client.machine("m1".parse().unwrap()).isolate("c").send());
    assert!(poll!(&mut first).is_pending());
    let second = Box::pin(client.machine("m2".parse().unwrap()).isolate("c").send());
    let ended = service.clock().run(select(second, service.clock().sleep(HOUR))).await;
    let Either::Left((submitted, _)) = ended else { panic!("the search waits") };
    assert_eq!(submitted.unwrap().origin(), Origin::Recovered);
    assert_eq!(service.clock().run(first).await.unwrap().origin(), Origin::Recovered);
}

/// After a second request, the first may still take effect: its record is not the action of a later submission.
#[tokio::test]
async fn joined_second_request_leaves_the_first_without_an_outcome() {
    let service = Service::new(Repeats::Refused).with_lag(Duration::from_secs(180));
    let service = service.breaking([Break::BeforeTheEffect]);
    let client = service.client();
    let id = service.foreign(
        &json!({"machineId": "m1", "type": "Isolate", "scope": "Full", "requestorComment": "c", "requestor": "other"}),
    );
    let first = client.machine(machine()).isolate("c").resend_if_lost().send();
    let joined = service.clock().run(first).await.unwrap();
    assert_eq!((joined.origin(), joined.id().as_str()), (Origin::Joined, id.as_str()));
    service.end(&id, "Succeeded");
    service.clock().run(service.clock().sleep(Duration::from_secs(1))).await;
    let service = service.with_lag(Duration::ZERO).breaking([Break::AfterTheEffect]);
    let later = service.clock().run(client.machine(machine()).isolate("c").send()).await.unwrap_err();
    assert_eq!((later.reason(), later.candidates().len()), (Some(UnknownReason::MayBeOurs), 1));
}

/// The intent expires during the search, so that the second request is never sent. The first is not forgotten for that.
#[tokio::test]
async fn unsent_second_request_leaves_the_first_without_an_outcome() {
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect; 2]);
    let client = service.client();
    let first = client.machine(machine()).isolate("c").valid_for(Duration::from_secs(60)).resend_if_lost();
    let error = service.clock().run(first.send()).await.unwrap_err();
    assert_eq!((error.reason(), service.ledger().0), (Some(UnknownReason::NothingFound), 1));
    service.clock().run(service.clock().sleep(Duration::from_secs(60))).await;
    // The first request takes effect now, while the response of a like one is lost.
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Full", "requestorComment": "c"}));
    let later = service.clock().run(client.machine(machine()).isolate("c").send()).await;
    let later = later.as_ref().map_err(defender_actions::Error::reason).map(|submitted| submitted.id().clone());
    assert_eq!(later, Err(Some(UnknownReason::MayBeOurs)));
}
