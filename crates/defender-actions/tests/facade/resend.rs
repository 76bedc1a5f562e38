//! Second requests of `.resend_if_lost()`: none is sent while the first may have taken effect.

use std::time::Duration;

use defender_actions::{ErrorKind, Origin, UnknownReason};
use serde_json::json;

use crate::{
    service::{Break, Date, Repeats, Service},
    submissions::{Spelling, machine, tokens, unrestrict},
};

const LONG: &str = "Ticket 4711: the machine was cleaned, validated and released by the incident response team";

#[tokio::test]
async fn second_attempt_leaves_first_unknown() {
    let resend = |service: &Service| {
        service.client().machine(machine()).unrestrict_code_execution("Cleaned").resend_if_lost().send()
    };
    // The first attempt took effect and is not visible; the second is refused because of it.
    let service = Service::new(Repeats::Refused).breaking([Break::AfterTheEffect]).with_lag(Duration::from_secs(600));
    let error = service.clock().run(resend(&service)).await.unwrap_err();
    assert_eq!((error.kind(), service.ledger()), (ErrorKind::OutcomeUnknown, (2, 1)));
    assert!(error.intent().is_some() && !error.never_sent() && error.attempts() == 2, "{error:?}");
    let why = error.cause().unwrap().to_string();
    assert!(why.contains("is already pending on this machine"), "{why}");
    // The first attempt took effect and is not visible; the second certainly never arrives.
    let never = [Break::AfterTheEffect].into_iter().chain([Break::BeforeSending; 5]);
    let service = Service::new(Repeats::Refused).breaking(never).with_lag(Duration::from_secs(600));
    let error = service.clock().run(resend(&service)).await.unwrap_err();
    assert_eq!((error.kind(), service.ledger()), (ErrorKind::OutcomeUnknown, (1, 1)));
    assert!(error.intent().is_some() && !error.never_sent() && !error.is_retryable());
}

#[tokio::test]
async fn failed_search_causes_no_resend() {
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]).refusing_lists();
    let submission = service.client().machine(machine()).unrestrict_code_execution("Cleaned").resend_if_lost();
    let error = service.clock().run(submission.send()).await.unwrap_err();
    assert_eq!((error.reason(), service.ledger()), (Some(UnknownReason::NotReadable), (1, 0)));
}

#[tokio::test]
async fn unreadable_response_causes_no_resend() {
    // The action is in no list during the search, as if it did not exist.
    let service = Service::new(Repeats::Taken).breaking([Break::InTheBody]).with_lag(Duration::from_secs(600));
    let submission = service.client().machine(machine()).unrestrict_code_execution("Cleaned").resend_if_lost();
    let error = service.clock().run(submission.send()).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::InvalidResponse, Some(UnknownReason::NothingFound)));
    assert_eq!(service.ledger(), (1, 1), "POSTs received, and effects");
}

#[tokio::test]
async fn resend_needs_an_empty_search() {
    let resend = |service: &Service| {
        service.client().machine(machine()).unrestrict_code_execution("Cleaned").resend_if_lost().send()
    };
    let service = Service::new(Repeats::Refused).breaking([Break::BeforeTheEffect]);
    let submitted = service.clock().run(resend(&service)).await.unwrap();
    assert_eq!((submitted.origin(), service.ledger()), (Origin::Created, (2, 1)));
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    let submitted = service.clock().run(resend(&service)).await.unwrap();
    assert_eq!((submitted.origin(), service.ledger()), (Origin::Recovered, (1, 1)));
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "Cleaned"}));
    let error = service.clock().run(resend(&service)).await.unwrap_err();
    assert_eq!((error.candidates().len(), service.ledger().0), (2, 1));
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect, Break::BeforeTheEffect]);
    let error = service.clock().run(resend(&service)).await.unwrap_err();
    assert_eq!((error.kind(), service.ledger()), (ErrorKind::OutcomeUnknown, (2, 0)));
}

/// Kinds of records that may be ours and do not prove it.
fn may_be_ours() -> Vec<(&'static str, Spelling)> {
    vec![
        ("row without an id", |record| drop(record.as_object_mut().unwrap().remove("id"))),
        ("row with an odd id", |record| record["id"] = json!("../a")),
        ("row that is a word", |record| *record = json!("Isolate")),
        ("row that is null", |record| *record = json!(null)),
        ("creation null", |record| record["creationDateTimeUtc"] = json!(null)),
        ("creation of year 1", |record| record["creationDateTimeUtc"] = json!("0001-01-01T00:00:00Z")),
        ("creation odd", |record| record["creationDateTimeUtc"] = json!("yesterday")),
        ("comment cut", |record| {
            let cut: String = record["requestorComment"].as_str().unwrap().chars().take(70).collect();
            record["requestorComment"] = json!(cut);
        }),
        ("comment cut short", |record| record["requestorComment"] = json!("Ticket")),
        ("comment null", |record| record["requestorComment"] = json!(null)),
        ("comment with entities", |record| record["requestorComment"] = json!("Ticket &#52;711")),
        ("external id of somebody", |record| record["externalId"] = json!("gateway-1")),
        ("external id of a gateway", |record| {
            record["externalId"] = json!("0d1e2f3a-0000-4000-8000-000000000001");
        }),
        ("type nobody knows", |record| record["type"] = json!("UnrestrictAppExecution")),
        ("requestor another application", |record| {
            record["requestor"] = json!("bbbbbbbb-0000-4000-8000-000000000001");
        }),
    ]
}

#[tokio::test]
async fn possible_record_causes_no_resend() {
    for (name, spelling) in may_be_ours() {
        for ids in ["as given", "given", "generated"] {
            let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]).spelling(spelling);
            let token = &tokens()[1];
            let client = match ids {
                "generated" => service.client_that_generates(),
                _ => service.client_with(token),
            };
            let mut request = client.machine(machine()).unrestrict_code_execution(LONG).resend_if_lost();
            if ids == "given" {
                request = request.external_id("T-1");
            }
            let outcome = service.clock().run(request.send()).await;
            assert_eq!(service.ledger(), (1, 1), "{name}, {ids}: {outcome:?}");
            match outcome {
                Ok(submitted) => assert_eq!(submitted.origin(), Origin::Recovered),
                Err(error) => {
                    assert_eq!(error.reason(), Some(UnknownReason::MayBeOurs), "{name}, {ids}: {error}");
                    assert!(!error.candidates().is_empty() || error.row().is_some(), "{name}, {ids}");
                }
            }
        }
    }
}

#[tokio::test]
async fn wrong_clocks_cause_no_resend() {
    for date in [Date::Right, Date::Absent, Date::Year1970, Date::Ahead(600), Date::Ahead(-600), Date::Ahead(60)] {
        // Seconds by which the service's records are ahead of our clock.
        for ours in [0_i64, 600, -600, 1_200, -2_400, 3_600] {
            let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]).with_date(date);
            let service = service.spelling(move |record| {
                let created: jiff::Timestamp = record["creationDateTimeUtc"].as_str().unwrap().parse().unwrap();
                let created = created + jiff::SignedDuration::from_secs(ours);
                record["creationDateTimeUtc"] = json!(created.to_string());
            });
            // If our clock is wrong and the `Date` right, the `Date` differs from the records.
            let clears = matches!(date, Date::Right | Date::Ahead(_)) && {
                let Date::Ahead(ahead) = (if date == Date::Right { Date::Ahead(0) } else { date }) else { continue };
                (ours - ahead).abs() > 600
            };
            if clears {
                continue; // The service contradicts itself by more than the tolerance.
            }
            let outcome = service.clock().run(unrestrict(&service.client(), "c")).await;
            assert_eq!(service.ledger(), (1, 1), "{date:?} {ours}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn unreadable_lists_cause_no_resend() {
    for (status, body) in [
        (503, json!({"error": {"code": "InternalServerError", "message": "no"}})),
        (500, json!({})),
        (403, json!({"error": {"code": "Forbidden", "message": "no"}})),
        (200, json!({"value": "none"})),
        (200, json!({})),
        (200, json!({"value": [], "@odata.nextLink": {"href": "/api/machineactions"}})),
        (200, json!({"value": [], "@odata.nextLink": 7})),
        (404, json!({"error": {"code": "NotFound", "message": "no"}})),
        (404, json!({"statusCode": 404, "message": "Resource not found"})),
    ] {
        let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]).failing_lists(status, body);
        let error = service.clock().run(unrestrict(&service.client(), "c")).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::OutcomeUnknown, Some(UnknownReason::NotReadable)));
        assert_eq!(service.ledger(), (1, 1), "{status}");
    }
}

#[tokio::test]
async fn exhausted_list_quota_causes_no_resend() {
    let refused = json!({"error": {"code": "TooManyRequests", "message": "no"}});
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]).failing_lists(429, refused);
    let error = service.clock().run(unrestrict(&service.client(), "c")).await.unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::QuotaExhausted), "{error}");
    assert_eq!(service.ledger(), (1, 1));
}

#[tokio::test]
async fn recent_action_causes_no_resend() {
    for (minutes, posts) in [(14, 1), (16, 2)] {
        let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
        let earlier =
            service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "y"}));
        service.end(&earlier, "Succeeded");
        service.clock().advance(Duration::from_secs(minutes * 60));
        let outcome = service.clock().run(unrestrict(&service.client(), "c")).await;
        assert_eq!(service.ledger().0, posts, "{minutes}: {outcome:?}");
    }
}

#[tokio::test]
async fn resend_waits_for_visibility_timeout() {
    for (lag, posts) in [(100, 1), (119, 1), (600, 2)] {
        let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
        let service = service.with_lag(Duration::from_secs(lag));
        let outcome = service.clock().run(unrestrict(&service.client(), "c")).await;
        assert_eq!(service.ledger().0, posts, "{lag}: {outcome:?}");
    }
}

#[tokio::test]
async fn resend_follows_a_filtered_list() {
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
    service.clock().run(unrestrict(&service.client(), "c")).await.unwrap();
    assert_eq!(service.ledger(), (2, 1));
    // No list is read after the second request. A list from a date on would omit records without a date.
    let last = service.reads().pop().unwrap();
    assert!(last.contains("machineId") && last.contains("type") && !last.contains("creation"), "{last}");
}

#[tokio::test]
async fn window_begins_at_first_attempt() {
    // The action is listed too late, and the service responds to the second request with it.
    let service = Service::new(Repeats::ReturnsFirst).breaking([Break::AfterTheEffect]);
    let service = service.with_lag(Duration::from_secs(600));
    let submitted = service.clock().run(unrestrict(&service.client(), "c")).await.unwrap();
    assert_eq!((submitted.origin(), service.ledger()), (Origin::Created, (2, 1)));
}
