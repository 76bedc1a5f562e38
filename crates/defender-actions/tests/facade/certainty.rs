//! After an action, the caller knows whether it happened: what the emulator cannot show, such as the actions of other principals,
//! over a service in miniature. What breaks where, on the emulator, is in `lost_answers.rs`.

use std::time::Duration;

use defender_actions::{
    DefenderClient, Error, ErrorKind, Origin, Submitted, UnknownReason,
    auth::StaticCredential,
    model::{LiveResponseCommand, MachineId},
    transport::{Body, Clock, testing::MockTransport},
};
use futures_util::StreamExt;
use http::Response;
use serde_json::json;

use crate::service::{Break, Repeats, Service};

fn machine() -> MachineId {
    "m1".parse().unwrap()
}

async fn unrestrict(service: &Service) -> Result<Submitted, Error> {
    let asked = service.client().machine(machine()).unrestrict_code_execution("Cleaned").send();
    service.clock().run(asked).await
}

#[tokio::test]
async fn without_the_right_to_read_a_lost_answer_stays_unknown() {
    let service = Service::new(Repeats::Refused).breaking([Break::AfterTheEffect]).refusing_lists();
    let error = unrestrict(&service).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(error.reason(), Some(UnknownReason::NotReadable), "{error}");
    assert_eq!(service.clock().elapsed_secs(), 0);
}

#[tokio::test]
async fn a_lost_answer_is_not_mistaken_for_another_s_action() {
    for other in [
        json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Something else"}),
        json!({"machineId": "m2", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"}),
        json!({"machineId": "m1", "type": "Isolate", "requestorComment": "Cleaned"}),
        json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned",
               "creationDateTimeUtc": "2026-01-01T11:59:00Z"}),
        json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned",
               "creationDateTimeUtc": null}),
    ] {
        let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
        service.foreign(&other);
        let error = unrestrict(&service).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{other}");
    }
}

/// Ids of the application of the token below.
const APPLICATION: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const OBJECT: &str = "aaaaaaaa-0000-4000-8000-000000000002";

fn token(claims: &serde_json::Value) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[tokio::test]
async fn an_action_that_another_principal_asked_for_is_not_taken_for_ours() {
    let object = format!("{} ", OBJECT.to_uppercase());
    let another = "aaaaaaaa-0000-4000-8000-000000000003";
    let requestors = [(APPLICATION, true), (&object, true), ("Contoso Response", true), ("ann@contoso.com", true)];
    for (requestor, ours) in requestors.into_iter().chain([(another, false)]) {
        let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
        service.foreign(&json!({
            "machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned", "requestor": requestor,
        }));
        let asked = service
            .client_with(&token(&json!({"appid": APPLICATION, "oid": OBJECT})))
            .machine(machine())
            .unrestrict_code_execution("Cleaned")
            .send();
        assert_eq!(service.clock().run(asked).await.is_ok(), ours, "{requestor}");
    }
}

#[tokio::test]
async fn a_lost_isolation_is_not_mistaken_for_one_of_another_scope() {
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Selective", "requestorComment": "x"}));
    let error = service.clock().run(service.client().machine(machine()).isolate("x").send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn several_that_may_be_it_are_all_told_and_none_is_taken() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"}));
    let error = unrestrict(&service).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(error.candidates().len(), 2);
}

#[tokio::test]
async fn generated_id_finds_its_own() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Full", "requestorComment": "x", "externalId": "theirs"}));
    let submitted = service.clock().run(service.client_that_generates().machine(machine()).isolate("x").send());
    let submitted = submitted.await.unwrap();
    assert_eq!((submitted.origin(), submitted.id().as_str()), (Origin::Recovered, "action-2"));
}

#[tokio::test]
async fn given_id_confirms_and_does_no_more() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Full", "requestorComment": "x", "externalId": "theirs"}));
    let asked = service.client().machine(machine()).isolate("x").external_id("ours").send();
    assert_eq!(service.clock().run(asked).await.unwrap_err().reason(), Some(UnknownReason::MayBeOurs));
}

#[tokio::test]
async fn an_external_id_does_not_stand_in_for_the_particulars() {
    let theirs = json!({"machineId": "m1", "type": "Isolate", "scope": "Selective", "requestorComment": "x", "externalId": "ours"});
    let isolate = |service: &Service| service.client().machine(machine()).isolate("x").external_id("ours").send();
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
    service.foreign(&theirs);
    let error = service.clock().run(isolate(&service)).await.unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::MayBeOurs));
    let service = Service::new(Repeats::Refused);
    service.foreign(&theirs);
    let error = service.clock().run(isolate(&service)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("it is action action-1 (Isolate, Pending)"), "{error}");
}

#[tokio::test]
async fn of_several_that_are_under_way_the_one_that_was_asked_for_is_joined() {
    let service = Service::new(Repeats::Refused);
    let meant =
        service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Full", "requestorComment": "y"}));
    service.clock().advance(Duration::from_secs(60));
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Selective", "requestorComment": "z"}));
    let submitted = service.clock().run(service.client().machine(machine()).isolate("x").send()).await.unwrap();
    assert_eq!((submitted.origin(), submitted.id().as_str()), (Origin::Joined, meant.as_str()));
}

#[tokio::test]
async fn an_action_that_was_seen_before_the_sending_is_joined_and_one_that_was_seen_since_is_created() {
    let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"});
    for is_listed in [false, true] {
        let service = Service::new(Repeats::AnsweredWithTheFirst);
        let id = service.foreign(&theirs);
        let client = service.client();
        if is_listed {
            service.clock().run(client.actions().stream().collect::<Vec<_>>()).await;
        } else {
            service.clock().run(client.action(id.parse().unwrap()).get().send()).await.unwrap();
        }
        service.clock().advance(Duration::from_secs(1));
        let asked = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
        assert_eq!(service.clock().run(asked).await.unwrap().origin(), Origin::Joined);
    }
    // Who reads while the answer is on its way sees the new action, and it is new all the same.
    let service = Service::new(Repeats::Taken).breaking([Break::BodyLate]);
    let client = service.client();
    let reads = async {
        service.clock().sleep(Duration::from_secs(1)).await;
        client.action("action-1".parse().unwrap()).get().await.unwrap()
    };
    let asked = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    let (submitted, _) = service.clock().run(futures_util::future::join(asked, reads)).await;
    assert_eq!(submitted.unwrap().origin(), Origin::Created);
}

#[tokio::test]
async fn an_external_id_that_the_answer_leaves_out_does_not_make_it_another_s() {
    let mut wire = MockTransport::new();
    wire.expect_send().times(1).returning(|_| {
        let record = r#"{"id":"a","type":"LiveResponse","requestorComment":"Look","status":"Pending","machineId":"m1",
                "creationDateTimeUtc":"2026-01-01T12:00:01Z"}"#;
        Ok(Response::builder().status(201).body(Body::from(record)).unwrap())
    });
    let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(wire);
    let client = builder.clock(defender_actions::transport::testing::ManualClock::new()).build().unwrap();
    let session = client.machine(machine()).run_live_response("Look", [LiveResponseCommand::run_script("a.ps1")]);
    assert_eq!(session.external_id("ours").await.unwrap().origin(), Origin::Created);
}

#[tokio::test]
async fn an_action_with_an_external_id_is_not_recovered_by_who_sent_none() {
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
    service.foreign(&json!({
        "machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned", "externalId": "theirs",
    }));
    assert_eq!(unrestrict(&service).await.unwrap_err().reason(), Some(UnknownReason::MayBeOurs));
}

#[tokio::test]
async fn who_made_an_action_is_told_so_though_another_of_its_client_was_answered_with_it_first() {
    let service = Service::new(Repeats::AnsweredWithTheFirst).breaking([Break::BodyLate]);
    let client = service.client();
    let asks = |comment| client.machine(machine()).unrestrict_code_execution(comment).send();
    let both = futures_util::future::join(asks("Cleaned"), asks("Another reason"));
    let (first, second) = service.clock().run(both).await;
    assert_eq!([first.unwrap().origin(), second.unwrap().origin()], [Origin::Created, Origin::Joined]);
}

#[tokio::test]
async fn what_was_joined_before_the_sending_is_not_recovered() {
    let service = Service::new(Repeats::Refused);
    service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"}));
    let client = service.client();
    let ask = || client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    assert_eq!(service.clock().run(ask()).await.unwrap().origin(), Origin::Joined);
    service.clock().advance(Duration::from_secs(1));
    let service = service.breaking([Break::BeforeTheEffect]);
    let error = service.clock().run(ask()).await.unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::NothingFound));
}

#[tokio::test]
async fn whatever_becomes_of_a_second_sending_the_first_stays_in_doubt() {
    let again = |service: &Service| {
        service.client().machine(machine()).unrestrict_code_execution("Cleaned").resend_if_lost().send()
    };
    // The first took effect and is not seen; the second is refused for it.
    let service = Service::new(Repeats::Refused).breaking([Break::AfterTheEffect]).with_lag(Duration::from_secs(600));
    let error = service.clock().run(again(&service)).await.unwrap_err();
    assert_eq!((error.kind(), service.ledger()), (ErrorKind::OutcomeUnknown, (2, 1)));
    assert!(error.intent().is_some() && !error.never_sent() && error.attempts() == 2, "{error:?}");
    let why = error.cause().unwrap().to_string();
    assert!(why.contains("is pending on this machine already"), "{why}");
    // The first took effect and is not seen; the second certainly never arrives.
    let never = [Break::AfterTheEffect].into_iter().chain([Break::BeforeSending; 5]);
    let service = Service::new(Repeats::Refused).breaking(never).with_lag(Duration::from_secs(600));
    let error = service.clock().run(again(&service)).await.unwrap_err();
    assert_eq!((error.kind(), service.ledger()), (ErrorKind::OutcomeUnknown, (1, 1)));
    assert!(error.intent().is_some() && !error.never_sent() && !error.is_retryable());
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_not_sent_again() {
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]).refusing_lists();
    let asked = service.client().machine(machine()).unrestrict_code_execution("Cleaned").resend_if_lost();
    let error = service.clock().run(asked.send()).await.unwrap_err();
    assert_eq!((error.reason(), service.ledger()), (Some(UnknownReason::NotReadable), (1, 0)));
}

#[tokio::test]
async fn what_was_taken_is_not_sent_again_though_its_answer_cannot_be_read() {
    // It shows in no list while it is looked for, as if it had never been.
    let service = Service::new(Repeats::Taken).breaking([Break::InTheBody]).with_lag(Duration::from_secs(600));
    let asked = service.client().machine(machine()).unrestrict_code_execution("Cleaned").resend_if_lost();
    let error = service.clock().run(asked.send()).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::InvalidResponse, Some(UnknownReason::NothingFound)));
    assert_eq!(service.ledger(), (1, 1), "POSTs received, and effects");
}

#[tokio::test]
async fn two_submissions_of_one_client_never_take_the_same_action_for_theirs() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect, Break::BeforeTheEffect]);
    let client = service.client();
    let first = service.clock().run(client.machine(machine()).unrestrict_code_execution("Cleaned").send()).await;
    let second = service.clock().run(client.machine(machine()).unrestrict_code_execution("Cleaned").send()).await;
    assert_eq!(first.unwrap().origin(), Origin::Recovered);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn live_response_is_recovered_by_generated_id_only() {
    let run = |client: DefenderClient, id: Option<&str>| {
        let run = client.machine(machine()).run_live_response("x", [LiveResponseCommand::run_script("a.ps1")]);
        match id {
            Some(id) => run.external_id(id),
            None => run,
        }
        .send()
    };
    for id in [None, Some("run-2")] {
        let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
        let error = service.clock().run(run(service.client(), id)).await.unwrap_err();
        assert_eq!(error.reason(), Some(UnknownReason::MayBeOurs), "{error}");
    }
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    let submitted = service.clock().run(run(service.client_that_generates(), None)).await.unwrap();
    assert_eq!(submitted.origin(), Origin::Recovered);
}

#[tokio::test]
async fn an_action_that_is_under_way_is_joined_if_it_is_what_was_asked_for() {
    for repeats in [Repeats::Refused, Repeats::AnsweredWithTheFirst] {
        let service = Service::new(repeats);
        let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Somebody else"});
        let id = service.foreign(&theirs);
        let submitted = unrestrict(&service).await.unwrap();
        assert_eq!((submitted.origin(), submitted.id().as_str()), (Origin::Joined, id.as_str()));
        assert_eq!(service.ledger(), (1, 1));
    }
}

#[tokio::test]
async fn other_action_in_progress_is_never_ok() {
    for (repeats, kind, reason) in [
        (Repeats::Refused, ErrorKind::Conflict, None),
        // Nobody knows that nothing was taken.
        (Repeats::AnsweredWithTheFirst, ErrorKind::OutcomeUnknown, Some(UnknownReason::OtherRecord)),
    ] {
        let service = Service::new(repeats);
        let id = service
            .foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Selective", "requestorComment": "y"}));
        let error = service.clock().run(service.client().machine(machine()).isolate("x").send()).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (kind, reason));
        assert_eq!(error.action().unwrap().id.as_str(), id);
    }
}

#[tokio::test]
async fn a_refusal_whose_action_cannot_be_seen_is_never_ok() {
    let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "y"});
    let hidden = Service::new(Repeats::Refused).refusing_lists();
    hidden.foreign(&theirs);
    let error = unrestrict(&hidden).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyInProgress);
    let late = Service::new(Repeats::Refused).with_lag(Duration::from_secs(600));
    late.foreign(&theirs);
    let error = unrestrict(&late).await.unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::AlreadyInProgress, None));
    assert_eq!(late.clock().elapsed_secs(), 120);
}

#[tokio::test]
async fn an_action_that_ended_before_the_refusal_is_not_joined_and_one_that_ended_since_is() {
    let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "y"});
    let service = Service::new(Repeats::Refused);
    let ended = service.foreign(&theirs);
    service.end(&ended, "Succeeded");
    service.clock().advance(Duration::from_secs(60));
    let lagging = service.clone().with_lag(Duration::from_secs(20));
    let active = lagging.foreign(&theirs);
    let client = lagging.client();
    let asked = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    let ends_meanwhile = async {
        defender_actions::transport::Clock::sleep(service.clock(), Duration::from_secs(10)).await;
        service.end(&active, "Succeeded");
    };
    let (submitted, ()) = service.clock().run(futures_util::future::join(asked, ends_meanwhile)).await;
    let submitted = submitted.unwrap();
    assert_eq!((submitted.origin(), submitted.id().as_str()), (Origin::Joined, active.as_str()));
}

#[tokio::test]
async fn window_opens_at_the_first_attempt_though_it_was_throttled() {
    let service = Service::new(Repeats::Taken).breaking([Break::Throttled, Break::AfterTheEffect]);
    let client = service.client();
    let asked = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    let meanwhile = async {
        defender_actions::transport::Clock::sleep(service.clock(), Duration::from_secs(20)).await;
        service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"}));
    };
    let (submitted, ()) = service.clock().run(futures_util::future::join(asked, meanwhile)).await;
    let error = submitted.expect_err("one of two records was recovered");
    assert_eq!((error.reason(), error.candidates().len()), (Some(UnknownReason::MayBeOurs), 2));
}

#[tokio::test]
async fn generated_id_is_waited_for_beside_a_like_record() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]).with_lag(Duration::from_secs(40));
    let client = service.client_that_generates();
    let asked = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    let meanwhile = async {
        defender_actions::transport::Clock::sleep(service.clock(), Duration::from_secs(1)).await;
        let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"});
        service.clone().with_lag(Duration::ZERO).foreign(&theirs)
    };
    let (submitted, theirs) = service.clock().run(futures_util::future::join(asked, meanwhile)).await;
    let submitted = submitted.unwrap();
    assert_eq!(submitted.origin(), Origin::Recovered);
    assert_ne!(submitted.id().as_str(), theirs, "the record of another process was recovered");
    // Where the service does not echo the id, the end of the grace decides.
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    let service = service.spelling(|record| record["externalId"] = json!(null));
    let client = service.client_that_generates();
    let asked = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    assert_eq!(service.clock().run(asked).await.unwrap().origin(), Origin::Recovered);
    assert_eq!(service.clock().elapsed_secs(), 120);
}

#[tokio::test]
async fn refusal_is_not_joined_to_a_record_without_a_status() {
    let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"});
    for status in [json!(null), json!(""), json!(7)] {
        let service = Service::new(Repeats::Refused).with_lag(Duration::from_secs(600));
        let old = service.foreign(&theirs);
        service.end(&old, "Succeeded");
        service.clock().advance(Duration::from_hours(1));
        service.foreign(&theirs);
        let (hidden, told) = (old.clone(), status.clone());
        let service = service.spelling(move |record| {
            if record["id"] == hidden.as_str() {
                record["status"] = told.clone();
            }
        });
        let error = unrestrict(&service).await.expect_err("an action that has ended was joined");
        assert_eq!((error.kind(), error.action()), (ErrorKind::AlreadyInProgress, None), "{status}");
    }
}

#[tokio::test]
async fn an_intent_that_was_never_sent_stays_unknown() {
    let service = Service::new(Repeats::Refused);
    let intent = service.client().machine(machine()).unrestrict_code_execution("Cleaned").intent().unwrap();
    let error = service.clock().run(service.client().recover(intent).send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn what_may_be_sent_again_is_sent_again_only_when_nothing_has_appeared() {
    let again = |service: &Service| {
        service.client().machine(machine()).unrestrict_code_execution("Cleaned").resend_if_lost().send()
    };
    let service = Service::new(Repeats::Refused).breaking([Break::BeforeTheEffect]);
    let submitted = service.clock().run(again(&service)).await.unwrap();
    assert_eq!((submitted.origin(), service.ledger()), (Origin::Created, (2, 1)));
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    let submitted = service.clock().run(again(&service)).await.unwrap();
    assert_eq!((submitted.origin(), service.ledger()), (Origin::Recovered, (1, 1)));
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"}));
    let error = service.clock().run(again(&service)).await.unwrap_err();
    assert_eq!((error.candidates().len(), service.ledger().0), (2, 1));
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect, Break::BeforeTheEffect]);
    let error = service.clock().run(again(&service)).await.unwrap_err();
    assert_eq!((error.kind(), service.ledger()), (ErrorKind::OutcomeUnknown, (2, 0)));
}

#[tokio::test]
async fn an_ordered_action_waits_for_no_inverse_but_refuses() {
    let service = Service::new(Repeats::Taken);
    let isolation = service.foreign(&json!({"machineId": "m1", "type": "Isolate", "requestorComment": "y"}));
    let release = || service.client().machine(machine()).unisolate("x").refuse_if_inverse_pending().send();
    let error = release().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!((error.action().unwrap().id.as_str(), service.ledger().0), (isolation.as_str(), 0));
    assert!(error.never_sent());
    service.end(&isolation, "Succeeded");
    assert_eq!(release().await.unwrap().origin(), Origin::Created);
}

#[tokio::test]
async fn what_was_joined_is_cancelled_only_when_that_is_said() {
    let service = Service::new(Repeats::Refused);
    service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "y"}));
    let joined = unrestrict(&service).await.unwrap();
    let error = joined.cancel("No").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request);
    assert!(error.to_string().contains("even_if_not_ours"));
}

/// Seconds since the clock's beginning.
trait Seconds {
    fn elapsed_secs(&self) -> u64;
}

impl Seconds for defender_actions::transport::testing::ManualClock {
    fn elapsed_secs(&self) -> u64 {
        defender_actions::transport::Clock::elapsed(self).as_secs()
    }
}
