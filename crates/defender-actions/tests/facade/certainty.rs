//! The outcome of an action is certain or unknown, never guessed. These cases, such as actions of other principals, run over the
//! test service; `lost_responses.rs` has the broken connections over the emulator.

use std::time::Duration;

use defender_actions::{DefenderClient, ErrorKind, Origin, UnknownReason, model::LiveResponseCommand};
use serde_json::json;

use crate::{
    service::{Break, Repeats, Service},
    submissions::{Seconds, machine, token, unrestrict, unrestrict_once},
};

#[tokio::test]
async fn unreadable_list_leaves_outcome_unknown() {
    let service = Service::new(Repeats::Refused).breaking([Break::AfterTheEffect]).refusing_lists();
    let error = unrestrict_once(&service).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(error.reason(), Some(UnknownReason::NotReadable), "{error}");
    assert_eq!(service.clock().elapsed_secs(), 0);
}

#[tokio::test]
async fn other_action_is_not_recovered() {
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
        let error = unrestrict_once(&service).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{other}");
    }
}

/// Ids of the application in the token below.
const APPLICATION: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const OBJECT: &str = "aaaaaaaa-0000-4000-8000-000000000002";

#[tokio::test]
async fn other_principals_action_is_not_recovered() {
    let object = format!("{} ", OBJECT.to_uppercase());
    let another = "aaaaaaaa-0000-4000-8000-000000000003";
    let requestors = [(APPLICATION, true), (&object, true), ("Contoso Response", true), ("ann@contoso.com", true)];
    for (requestor, ours) in requestors.into_iter().chain([(another, false)]) {
        let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
        service.foreign(&json!({
            "machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned", "requestor": requestor,
        }));
        let submission = service
            .client_with(&token(&json!({"appid": APPLICATION, "oid": OBJECT})))
            .machine(machine())
            .unrestrict_code_execution("Cleaned")
            .send();
        assert_eq!(service.clock().run(submission).await.is_ok(), ours, "{requestor}");
    }
}

#[tokio::test]
async fn other_scope_is_not_recovered() {
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Selective", "requestorComment": "x"}));
    let error = service.clock().run(service.client().machine(machine()).isolate("x").send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn several_candidates_leave_outcome_unknown() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"}));
    let error = unrestrict_once(&service).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(error.candidates().len(), 2);
}

#[tokio::test]
async fn generated_id_finds_own_action() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Full", "requestorComment": "x", "externalId": "theirs"}));
    let submitted = service.clock().run(service.client_that_generates().machine(machine()).isolate("x").send());
    let submitted = submitted.await.unwrap();
    assert_eq!((submitted.origin(), submitted.id().as_str()), (Origin::Recovered, "action-2"));
}

#[tokio::test]
async fn given_id_only_confirms_record() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Full", "requestorComment": "x", "externalId": "theirs"}));
    let submission = service.client().machine(machine()).isolate("x").external_id("ours").send();
    assert_eq!(service.clock().run(submission).await.unwrap_err().reason(), Some(UnknownReason::MayBeOurs));
}

#[tokio::test]
async fn external_id_does_not_replace_particulars() {
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
    assert!(error.to_string().contains("action action-1 (Isolate, Pending)"), "{error}");
}

#[tokio::test]
async fn foreign_external_id_is_not_recovered() {
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
    service.foreign(&json!({
        "machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned", "externalId": "theirs",
    }));
    assert_eq!(unrestrict_once(&service).await.unwrap_err().reason(), Some(UnknownReason::MayBeOurs));
}

#[tokio::test]
async fn earlier_joined_action_is_not_recovered() {
    let service = Service::new(Repeats::Refused);
    service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"}));
    let client = service.client();
    let submit = || client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    assert_eq!(service.clock().run(submit()).await.unwrap().origin(), Origin::Joined);
    service.clock().advance(Duration::from_secs(1));
    let service = service.breaking([Break::BeforeTheEffect]);
    let error = service.clock().run(submit()).await.unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::NothingFound));
}

#[tokio::test]
async fn one_action_is_claimed_once() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect, Break::BeforeTheEffect]);
    let client = service.client();
    let first = service.clock().run(client.machine(machine()).unrestrict_code_execution("Cleaned").send()).await;
    let second = service.clock().run(client.machine(machine()).unrestrict_code_execution("Cleaned").send()).await;
    assert_eq!(first.unwrap().origin(), Origin::Recovered);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn live_response_recovery_needs_generated_id() {
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
async fn window_opens_at_throttled_attempt() {
    let service = Service::new(Repeats::Taken).breaking([Break::Throttled, Break::AfterTheEffect]);
    let client = service.client();
    let submission = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    let meanwhile = async {
        defender_actions::transport::Clock::sleep(service.clock(), Duration::from_secs(20)).await;
        service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"}));
    };
    let (submitted, ()) = service.clock().run(futures_util::future::join(submission, meanwhile)).await;
    let error = submitted.expect_err("one of two records was recovered");
    assert_eq!((error.reason(), error.candidates().len()), (Some(UnknownReason::MayBeOurs), 2));
}

#[tokio::test]
async fn recovery_waits_for_generated_id() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]).with_lag(Duration::from_secs(40));
    let client = service.client_that_generates();
    let submission = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    let meanwhile = async {
        defender_actions::transport::Clock::sleep(service.clock(), Duration::from_secs(1)).await;
        let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"});
        service.clone().with_lag(Duration::ZERO).foreign(&theirs)
    };
    let (submitted, theirs) = service.clock().run(futures_util::future::join(submission, meanwhile)).await;
    let submitted = submitted.unwrap();
    assert_eq!(submitted.origin(), Origin::Recovered);
    assert_ne!(submitted.id().as_str(), theirs, "the record of another process was recovered");
    // If the service does not echo the id, the end of the grace decides.
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    let service = service.spelling(|record| record["externalId"] = json!(null));
    let client = service.client_that_generates();
    let submission = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    assert_eq!(service.clock().run(submission).await.unwrap().origin(), Origin::Recovered);
    assert_eq!(service.clock().elapsed_secs(), 120);
}

#[tokio::test]
async fn dropped_candidate_leaves_outcome_unknown() {
    for (others, kept) in [(62, true), (63, false), (200, false)] {
        let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
        let theirs =
            |comment: &str| json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": comment});
        for _ in 0..=others {
            service.foreign(&theirs("other"));
        }
        let outcome = service.clock().run(unrestrict(&service.client(), "c")).await;
        assert_eq!(outcome.map(|submitted| submitted.origin()).ok(), kept.then_some(Origin::Recovered), "{others}");
        assert_eq!(service.ledger().0, 1, "{others}");
    }
}
