//! Responses and refusals because of an existing action: it is joined only if it is what the caller requested.

use std::time::Duration;

use defender_actions::{
    DefenderClient, ErrorKind, Origin, UnknownReason,
    auth::StaticCredential,
    model::LiveResponseCommand,
    transport::{Body, Clock, testing::MockTransport},
};
use futures_util::StreamExt;
use http::Response;
use serde_json::{Value, json};

use crate::{
    service::{Break, Date, Repeats, Service},
    submissions::{Seconds, Spelling, Submit, isolate, machine, quarantine, scan, unrestrict, unrestrict_once},
};

#[tokio::test]
async fn requested_action_of_several_is_joined() {
    let service = Service::new(Repeats::Refused);
    let meant =
        service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Full", "requestorComment": "y"}));
    service.clock().advance(Duration::from_secs(60));
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Selective", "requestorComment": "z"}));
    let submitted = service.clock().run(service.client().machine(machine()).isolate("x").send()).await.unwrap();
    assert_eq!((submitted.origin(), submitted.id().as_str()), (Origin::Joined, meant.as_str()));
}

#[tokio::test]
async fn earlier_seen_action_is_joined() {
    let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"});
    for is_listed in [false, true] {
        let service = Service::new(Repeats::ReturnsFirst);
        let id = service.foreign(&theirs);
        let client = service.client();
        if is_listed {
            service.clock().run(client.actions().stream().collect::<Vec<_>>()).await;
        } else {
            service.clock().run(client.action(id.parse().unwrap()).get().send()).await.unwrap();
        }
        service.clock().advance(Duration::from_secs(1));
        let submission = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
        assert_eq!(service.clock().run(submission).await.unwrap().origin(), Origin::Joined);
    }
    // A read while the response is on its way shows the new action, which is created all the same.
    let service = Service::new(Repeats::Taken).breaking([Break::BodyLate]);
    let client = service.client();
    let reads = async {
        service.clock().sleep(Duration::from_secs(1)).await;
        client.action("action-1".parse().unwrap()).get().await.unwrap()
    };
    let submission = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    let (submitted, _) = service.clock().run(futures_util::future::join(submission, reads)).await;
    assert_eq!(submitted.unwrap().origin(), Origin::Created);
}

#[tokio::test]
async fn missing_external_id_still_creates() {
    let mut transport = MockTransport::new();
    transport.expect_send().times(1).returning(|_| {
        let record = r#"{"id":"a","type":"LiveResponse","requestorComment":"Look","status":"Pending","machineId":"m1",
                "creationDateTimeUtc":"2026-01-01T12:00:01Z"}"#;
        Ok(Response::builder().status(201).body(Body::from(record)).unwrap())
    });
    let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport);
    let client = builder.clock(defender_actions::transport::testing::ManualClock::new()).build().unwrap();
    let session = client.machine(machine()).run_live_response("Look", [LiveResponseCommand::run_script("a.ps1")]);
    assert_eq!(session.external_id("ours").await.unwrap().origin(), Origin::Created);
}

#[tokio::test]
async fn maker_gets_created_after_a_join() {
    let service = Service::new(Repeats::ReturnsFirst).breaking([Break::BodyLate]);
    let client = service.client();
    let submit = |comment| client.machine(machine()).unrestrict_code_execution(comment).send();
    let both = futures_util::future::join(submit("Cleaned"), submit("Another reason"));
    let (first, second) = Box::pin(service.clock().run(both)).await;
    assert_eq!([first.unwrap().origin(), second.unwrap().origin()], [Origin::Created, Origin::Joined]);
}

#[tokio::test]
async fn same_pending_action_is_joined() {
    for repeats in [Repeats::Refused, Repeats::ReturnsFirst] {
        let service = Service::new(repeats);
        let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Somebody else"});
        let id = service.foreign(&theirs);
        let submitted = unrestrict_once(&service).await.unwrap();
        assert_eq!((submitted.origin(), submitted.id().as_str()), (Origin::Joined, id.as_str()));
        assert_eq!(service.ledger(), (1, 1));
    }
}

#[tokio::test]
async fn other_pending_action_is_never_ok() {
    for (repeats, kind, reason) in [
        (Repeats::Refused, ErrorKind::Conflict, None),
        // It is not known that nothing was accepted.
        (Repeats::ReturnsFirst, ErrorKind::OutcomeUnknown, Some(UnknownReason::OtherRecord)),
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
async fn refusal_without_visible_action_fails() {
    let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "y"});
    let hidden = Service::new(Repeats::Refused).refusing_lists();
    hidden.foreign(&theirs);
    let error = unrestrict_once(&hidden).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyInProgress);
    let late = Service::new(Repeats::Refused).with_lag(Duration::from_secs(600));
    late.foreign(&theirs);
    let error = unrestrict_once(&late).await.unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::AlreadyInProgress, None));
    assert_eq!(late.clock().elapsed_secs(), 120);
}

#[tokio::test]
async fn action_pending_at_refusal_is_joined() {
    let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "y"});
    let service = Service::new(Repeats::Refused);
    let ended = service.foreign(&theirs);
    service.end(&ended, "Succeeded");
    service.clock().advance(Duration::from_secs(60));
    let lagging = service.clone().with_lag(Duration::from_secs(20));
    let active = lagging.foreign(&theirs);
    let client = lagging.client();
    let submission = client.machine(machine()).unrestrict_code_execution("Cleaned").send();
    let ends_meanwhile = async {
        defender_actions::transport::Clock::sleep(service.clock(), Duration::from_secs(10)).await;
        service.end(&active, "Succeeded");
    };
    let (submitted, ()) = service.clock().run(futures_util::future::join(submission, ends_meanwhile)).await;
    let submitted = submitted.unwrap();
    assert_eq!((submitted.origin(), submitted.id().as_str()), (Origin::Joined, active.as_str()));
}

#[tokio::test]
async fn record_without_status_is_not_joined() {
    let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"});
    for status in [json!(null), json!(""), json!(7)] {
        let service = Service::new(Repeats::Refused).with_lag(Duration::from_secs(600));
        let old = service.foreign(&theirs);
        service.end(&old, "Succeeded");
        service.clock().advance(Duration::from_hours(1));
        service.foreign(&theirs);
        let (hidden, shown) = (old.clone(), status.clone());
        let service = service.spelling(move |record| {
            if record["id"] == hidden.as_str() {
                record["status"] = shown.clone();
            }
        });
        let error = unrestrict_once(&service).await.expect_err("an action that has ended was joined");
        assert_eq!((error.kind(), error.action()), (ErrorKind::AlreadyInProgress, None), "{status}");
    }
}

#[tokio::test]
async fn pending_inverse_is_refused() {
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
async fn joined_action_needs_explicit_cancel() {
    let service = Service::new(Repeats::Refused);
    service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "y"}));
    let joined = unrestrict_once(&service).await.unwrap();
    let error = joined.cancel("No").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request);
    assert!(error.to_string().contains("even_if_not_ours"));
}

#[tokio::test]
async fn other_particulars_are_never_ok() {
    let other_file = json!({"fileIdentifier": "1".repeat(40), "fileIdentifierType": "Sha1"});
    for (submit, theirs) in [
        (isolate as Submit, json!({"type": "Isolate", "scope": "Selective"})),
        (isolate, json!({"type": "Isolate", "scope": "UnManagedDevice"})),
        (scan, json!({"type": "RunAntiVirusScan", "scope": "Quick"})),
        (quarantine, json!({"type": "StopAndQuarantineFile", "relatedFileInfo": other_file})),
    ] {
        let service = Service::new(Repeats::ReturnsFirst);
        let mut record = json!({"machineId": "m1", "requestorComment": "c"});
        record.as_object_mut().unwrap().extend(theirs.as_object().unwrap().clone());
        let id = service.foreign(&record);
        service.clock().advance(Duration::from_millis(500));
        let error = service.clock().run(submit(&service.client(), "c")).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::OutcomeUnknown, Some(UnknownReason::OtherRecord)));
        assert_eq!((error.action().unwrap().id.as_str(), service.ledger().0), (id.as_str(), 1));
    }
}

#[tokio::test]
async fn ended_action_is_not_joined() {
    for date in [Date::Right, Date::Absent, Date::Year1970, Date::Ahead(-4 * 86_400)] {
        let service = Service::new(Repeats::Refused).with_date(date);
        let theirs = json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "c"});
        let ended = service.foreign(&theirs);
        service.clock().advance(Duration::from_secs(2 * 86_400));
        service.end(&ended, "Succeeded");
        service.clock().advance(Duration::from_secs(3 * 86_400));
        let service = service.with_lag(Duration::from_secs(600));
        service.foreign(&theirs);
        let error = service.clock().run(unrestrict(&service.client(), "c")).await.unwrap_err();
        assert_eq!((error.kind(), error.action()), (ErrorKind::AlreadyInProgress, None), "{date:?}");
    }
}

#[tokio::test]
async fn response_about_other_action_is_unknown() {
    for change in [
        (|record: &mut Value| record["machineId"] = json!("m2")) as Spelling,
        |record| record["type"] = json!("Isolate"),
        |record| record["type"] = json!("Unisolate"),
        |record| record["status"] = json!("Succeeded"),
    ] {
        let service = Service::new(Repeats::ReturnsFirst).spelling(change);
        service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "y"}));
        let error = service.clock().run(unrestrict(&service.client(), "c")).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::OutcomeUnknown, Some(UnknownReason::OtherRecord)));
        assert_eq!(service.ledger().0, 1);
    }
}
