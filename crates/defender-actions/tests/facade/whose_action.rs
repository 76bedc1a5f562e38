//! Records as the service really writes them, and worse: whose action is this, and is nothing sent twice?

use std::time::Duration;

use defender_actions::{
    DefenderClient, Error, ErrorKind, Intent, Origin, Submitted, UnknownReason,
    model::{MachineId, ScanType, Sha1},
    transport::Clock,
};
use serde_json::{Value, json};

use crate::service::{Break, Date, Repeats, Service};

const LONG: &str = "Ticket 4711: the machine was cleaned, validated and released by the incident response team";
const FILE: &str = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";

fn machine() -> MachineId {
    "m1".parse().unwrap()
}

fn token(claims: &Value) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// An action with a comment, whose response is looked for and, if nothing is found, sent again.
type Ask = fn(&DefenderClient, &str) -> futures_util::future::BoxFuture<'static, Result<Submitted, Error>>;

fn unrestrict(
    client: &DefenderClient,
    comment: &str,
) -> futures_util::future::BoxFuture<'static, Result<Submitted, Error>> {
    Box::pin(client.machine(machine()).unrestrict_code_execution(comment).resend_if_lost().send())
}

fn isolate(
    client: &DefenderClient,
    comment: &str,
) -> futures_util::future::BoxFuture<'static, Result<Submitted, Error>> {
    Box::pin(client.machine(machine()).isolate(comment).resend_if_lost().send())
}

fn scan(client: &DefenderClient, comment: &str) -> futures_util::future::BoxFuture<'static, Result<Submitted, Error>> {
    Box::pin(client.machine(machine()).run_antivirus_scan(comment, ScanType::Full).resend_if_lost().send())
}

fn quarantine(
    client: &DefenderClient,
    comment: &str,
) -> futures_util::future::BoxFuture<'static, Result<Submitted, Error>> {
    let file: Sha1 = FILE.parse().unwrap();
    Box::pin(client.machine(machine()).stop_and_quarantine_file(comment, file).resend_if_lost().send())
}

const ACTIONS: [Ask; 4] = [unrestrict, isolate, scan, quarantine];

/// Tokens of applications, users and guests, and opaque ones.
fn tokens() -> Vec<String> {
    let guid = "aaaaaaaa-0000-4000-8000-000000000001";
    vec![
        "opaque".to_owned(),
        token(&json!({"appid": guid, "oid": "aaaaaaaa-0000-4000-8000-000000000002"})),
        token(&json!({"azp": guid})),
        token(&json!({"unique_name": "ann@contoso.com"})),
        token(&json!({"unique_name": "live.com#ann@contoso.com", "appid": guid})),
        token(&json!({"upn": "ann_contoso.com#EXT#@fabrikam.onmicrosoft.com"})),
        token(&json!({"email": "ann@contoso.com", "oid": guid})),
    ]
}

#[tokio::test]
async fn requestor_that_is_no_name_of_the_token_is_recovered() {
    for token in tokens() {
        for requestor in [json!("Contoso Response"), json!("ann@contoso.com "), json!(null), json!("")] {
            let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
            let service = service.spelling(move |record| record["requestor"] = requestor.clone());
            let submitted = service.clock().run(unrestrict(&service.client_with(&token), "c")).await.unwrap();
            assert_eq!((submitted.origin(), service.ledger()), (Origin::Recovered, (1, 1)));
        }
    }
}

#[tokio::test]
async fn intent_of_an_application_is_recovered() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    let client = service.client_with(&tokens()[1]);
    let request = client.machine(machine()).isolate("c");
    let intent: Intent = serde_json::from_value(serde_json::to_value(request.intent().unwrap()).unwrap()).unwrap();
    let dropped = service
        .clock()
        .run(futures_util::future::select(Box::pin(request.send()), service.clock().sleep(Duration::ZERO)));
    drop(dropped.await);
    let submitted = service.clock().run(service.client_with(&tokens()[1]).recover(intent).send()).await.unwrap();
    assert_eq!(submitted.origin(), Origin::Recovered);
}

/// Change of a record before it is shown.
type Spelling = fn(&mut Value);

/// Members of the families of records that state less or otherwise than what was asked for, and are ours.
fn ours() -> Vec<(&'static str, Spelling)> {
    vec![
        ("scope null", |record| record["scope"] = json!(null)),
        ("scope empty", |record| record["scope"] = json!("")),
        ("scope absent", |record| drop(record.as_object_mut().unwrap().remove("scope"))),
        ("file null", |record| record["relatedFileInfo"] = json!(null)),
        ("file of another kind", |record| {
            record["relatedFileInfo"] = json!({"fileIdentifier": "0".repeat(64), "fileIdentifierType": "Sha256"});
        }),
        ("comment with a blank", |record| {
            record["requestorComment"] = json!(format!(" {} ", record["requestorComment"].as_str().unwrap()));
        }),
        ("comment with CRLF", |record| {
            record["requestorComment"] = json!(record["requestorComment"].as_str().unwrap().replace('\n', "\r\n"));
        }),
        ("letter case of the machine", |record| record["machineId"] = json!("M1")),
        ("machine and type null", |record| {
            record["machineId"] = json!(null);
            record["type"] = json!(null);
        }),
    ]
}

#[tokio::test]
async fn record_that_states_less_is_created_and_recovered() {
    for (name, spelling) in ours() {
        for (which, ask) in ACTIONS.into_iter().enumerate() {
            let service = Service::new(Repeats::Taken).spelling(spelling);
            let created = service.clock().run(ask(&service.client(), "one\ntwo")).await.unwrap();
            assert_eq!(created.origin(), Origin::Created, "{name} {which}");
            let service = Service::new(Repeats::Taken).spelling(spelling).breaking([Break::AfterTheEffect]);
            let found = service.clock().run(ask(&service.client(), "one\ntwo")).await;
            assert_eq!(found.unwrap().origin(), Origin::Recovered, "{name} {which}");
            assert_eq!(service.ledger(), (1, 1), "{name} {which}");
        }
    }
}

#[tokio::test]
async fn record_that_states_other_particulars_is_never_ok() {
    let other_file = json!({"fileIdentifier": "1".repeat(40), "fileIdentifierType": "Sha1"});
    for (ask, theirs) in [
        (isolate as Ask, json!({"type": "Isolate", "scope": "Selective"})),
        (isolate, json!({"type": "Isolate", "scope": "UnManagedDevice"})),
        (scan, json!({"type": "RunAntiVirusScan", "scope": "Quick"})),
        (quarantine, json!({"type": "StopAndQuarantineFile", "relatedFileInfo": other_file})),
    ] {
        let service = Service::new(Repeats::AnsweredWithTheFirst);
        let mut record = json!({"machineId": "m1", "requestorComment": "c"});
        record.as_object_mut().unwrap().extend(theirs.as_object().unwrap().clone());
        let id = service.foreign(&record);
        service.clock().advance(Duration::from_millis(500));
        let error = service.clock().run(ask(&service.client(), "c")).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::OutcomeUnknown, Some(UnknownReason::OtherRecord)));
        assert_eq!((error.action().unwrap().id.as_str(), service.ledger().0), (id.as_str(), 1));
    }
}

#[tokio::test]
async fn wait_ends_when_particulars_turn_out_different() {
    let service = Service::new(Repeats::AnsweredWithTheFirst).with_actions_that_take(Duration::from_secs(60));
    let shown_late = service.clock().clone();
    let service = service.spelling(move |record| {
        if shown_late.elapsed() < Duration::from_secs(30) {
            record["scope"] = json!(null);
        }
    });
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "scope": "Selective", "requestorComment": "c"}));
    let submitted = service.clock().run(isolate(&service.client(), "c")).await.unwrap();
    let error = service.clock().run(submitted.wait().send()).await.unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::OtherRecord), "{error}");
    assert_eq!(error.action().unwrap().scope.as_deref(), Some("Selective"));
}

#[tokio::test]
async fn last_record_that_proves_nothing_is_not_ok() {
    // Joined in a 2xx: another comment, and the scope is never stated.
    let service = Service::new(Repeats::AnsweredWithTheFirst).with_actions_that_take(Duration::from_secs(60));
    let service = service.spelling(|record| record["scope"] = json!(null));
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "requestorComment": "other"}));
    let submitted = service.clock().run(isolate(&service.client(), "c")).await.unwrap();
    assert_eq!(submitted.origin(), Origin::Joined);
    let error = service.clock().run(submitted.wait().send()).await.unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::OtherRecord), "{error}");
}

/// Members of the families of records that cannot be told to be ours, and may be.
fn may_be_ours() -> Vec<(&'static str, Spelling)> {
    vec![
        ("row without an id", |record| drop(record.as_object_mut().unwrap().remove("id"))),
        ("row with an odd id", |record| record["id"] = json!("../a")),
        ("row that is a word", |record| *record = json!("Isolate")),
        ("row that is null", |record| *record = json!(null)),
        ("creation null", |record| record["creationDateTimeUtc"] = json!(null)),
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
async fn nothing_is_sent_again_while_a_record_may_be_ours() {
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
async fn nothing_is_sent_again_whatever_the_clocks_show() {
    for date in [Date::Right, Date::Absent, Date::Year1970, Date::Ahead(600), Date::Ahead(-600), Date::Ahead(60)] {
        // Seconds by which the service's records are ahead of our clock.
        for ours in [0_i64, 600, -600, 1_200, -2_400, 3_600] {
            let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]).with_date(date);
            let service = service.spelling(move |record| {
                let created: jiff::Timestamp = record["creationDateTimeUtc"].as_str().unwrap().parse().unwrap();
                let created = created + jiff::SignedDuration::from_secs(ours);
                record["creationDateTimeUtc"] = json!(created.to_string());
            });
            // A clock of ours that is out, and a `Date` that is right, is a `Date` that is out with the records.
            let clears = matches!(date, Date::Right | Date::Ahead(_)) && {
                let Date::Ahead(ahead) = (if date == Date::Right { Date::Ahead(0) } else { date }) else { continue };
                (ours - ahead).abs() > 600
            };
            if clears {
                continue; // The service contradicts itself by more than is provided for.
            }
            let outcome = service.clock().run(unrestrict(&service.client(), "c")).await;
            assert_eq!(service.ledger(), (1, 1), "{date:?} {ours}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_again_where_no_list_can_be_read() {
    for (status, body) in [
        (503, json!({"error": {"code": "InternalServerError", "message": "no"}})),
        (500, json!({})),
        (403, json!({"error": {"code": "Forbidden", "message": "no"}})),
        (200, json!({"value": "none"})),
        (200, json!({})),
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
async fn nothing_is_sent_again_while_the_quota_for_lists_is_used_up() {
    let refused = json!({"error": {"code": "TooManyRequests", "message": "no"}});
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]).failing_lists(429, refused);
    let error = service.clock().run(unrestrict(&service.client(), "c")).await.unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::QuotaExhausted), "{error}");
    assert_eq!(service.ledger(), (1, 1));
}

#[tokio::test]
async fn second_request_waits_for_an_action_of_the_minutes_before() {
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
async fn second_request_waits_for_the_grace() {
    for (lag, posts) in [(100, 1), (119, 1), (600, 2)] {
        let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
        let service = service.with_lag(Duration::from_secs(lag));
        let outcome = service.clock().run(unrestrict(&service.client(), "c")).await;
        assert_eq!(service.ledger().0, posts, "{lag}: {outcome:?}");
    }
}

#[tokio::test]
async fn second_request_follows_a_list_of_the_machine_and_type() {
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
    service.clock().run(unrestrict(&service.client(), "c")).await.unwrap();
    assert_eq!(service.ledger(), (2, 1));
    // Nothing is read after the second request, and a list from a date on lacks what has none.
    let last = service.reads().pop().unwrap();
    assert!(last.contains("machineId") && last.contains("type") && !last.contains("creation"), "{last}");
}

#[tokio::test]
async fn candidate_that_is_not_kept_leaves_a_doubt() {
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

#[tokio::test]
async fn row_without_a_machine_or_type_is_recovered() {
    for field in ["machineId", "type"] {
        let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
        let service = service.spelling(move |record| record[field] = json!(null));
        let request = service.client().machine(machine()).unrestrict_code_execution("c");
        let submitted = service.clock().run(request.send()).await.unwrap();
        assert_eq!((submitted.origin(), service.ledger()), (Origin::Recovered, (1, 1)), "{field}");
    }
}

#[tokio::test]
async fn window_begins_at_the_first_attempt() {
    // The action is not listed in time, and the second request is answered with it.
    let service = Service::new(Repeats::AnsweredWithTheFirst).breaking([Break::AfterTheEffect]);
    let service = service.with_lag(Duration::from_secs(600));
    let submitted = service.clock().run(unrestrict(&service.client(), "c")).await.unwrap();
    assert_eq!((submitted.origin(), service.ledger()), (Origin::Created, (2, 1)));
}

#[tokio::test]
async fn intent_is_not_given_a_later_action() {
    let service = Service::new(Repeats::Taken);
    let client = service.client();
    let intent = client.machine(machine()).unrestrict_code_execution("c").intent().unwrap();
    service.clock().advance(Duration::from_secs(3_600));
    let later = service.client().machine(machine()).unrestrict_code_execution("c").send();
    assert_eq!(service.clock().run(later).await.unwrap().origin(), Origin::Created);
    let error = service.clock().run(client.recover(intent).send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
}

#[tokio::test]
async fn expired_intent_is_not_sent() {
    let service = Service::new(Repeats::Taken);
    let request = |valid: Option<u64>| {
        let request = service.client().machine(machine()).unrestrict_code_execution("c");
        let request = match valid {
            Some(seconds) => request.valid_for(Duration::from_secs(seconds)),
            None => request,
        };
        let _ = request.intent().unwrap();
        request
    };
    for (valid, after, sent) in
        [(None, 299, true), (None, 300, false), (Some(3_600), 3_599, true), (Some(10), 11, false)]
    {
        let request = request(valid);
        let before = service.ledger().0;
        service.clock().advance(Duration::from_secs(after));
        let outcome = service.clock().run(request.send()).await;
        assert_eq!(service.ledger().0 - before, usize::from(sent), "{valid:?} {after}");
        if !sent {
            let error = outcome.unwrap_err();
            assert_eq!((error.kind(), error.never_sent()), (ErrorKind::IntentExpired, true));
        }
    }
    // Without one that was written down, it is valid from the await on.
    let late = service.client().machine(machine()).unrestrict_code_execution("c");
    service.clock().advance(Duration::from_secs(9_999));
    assert!(service.clock().run(late.send()).await.is_ok());
}

#[tokio::test]
async fn second_request_is_not_sent_after_the_intent_expired() {
    let service = Service::new(Repeats::Taken).breaking([Break::BeforeTheEffect]);
    let request = service.client().machine(machine()).unrestrict_code_execution("c").resend_if_lost();
    let error = service.clock().run(request.valid_for(Duration::from_secs(60)).send()).await.unwrap_err();
    assert_eq!((error.reason(), service.ledger().0), (Some(UnknownReason::NothingFound), 1));
}

#[tokio::test]
async fn changed_request_is_another_intent() {
    let service = Service::new(Repeats::Taken);
    let client = service.client_that_generates();
    let request = client.machine(machine()).isolate("c");
    let full = request.intent().unwrap();
    assert_eq!(request.intent().unwrap(), full, "the request is bound to it");
    let request = request.selective();
    let selective = request.intent().unwrap();
    assert_ne!(selective.external_id(), full.external_id());
    let submitted = service.clock().run(request.send()).await.unwrap();
    assert_eq!(submitted.action().external_id.as_deref(), selective.external_id());
}

#[tokio::test]
async fn refusal_because_of_an_ended_action_is_not_joined() {
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
async fn response_about_another_action_is_no_conflict() {
    for change in [
        (|record: &mut Value| record["machineId"] = json!("m2")) as Spelling,
        |record| record["type"] = json!("Isolate"),
        |record| record["type"] = json!("Unisolate"),
        |record| record["status"] = json!("Succeeded"),
    ] {
        let service = Service::new(Repeats::AnsweredWithTheFirst).spelling(change);
        service.foreign(&json!({"machineId": "m1", "type": "UnrestrictCodeExecution", "requestorComment": "y"}));
        let error = service.clock().run(unrestrict(&service.client(), "c")).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::OutcomeUnknown, Some(UnknownReason::OtherRecord)));
        assert_eq!(service.ledger().0, 1);
    }
}

#[tokio::test]
async fn wait_notices_another_machine_or_type() {
    for change in [(|record: &mut Value| record["machineId"] = json!("m2")) as Spelling, |record| {
        record["type"] = json!("Isolate");
    }] {
        for by_id in [false, true] {
            let service = Service::new(Repeats::Taken).with_actions_that_take(Duration::from_secs(60));
            let clock = service.clock().clone();
            let service = service.spelling(move |record| {
                if clock.elapsed() > Duration::from_secs(20) {
                    change(record);
                }
            });
            let client = service.client();
            let submitted = service.clock().run(unrestrict(&client, "c")).await.unwrap();
            let wait = if by_id { client.action(submitted.id().clone()).wait() } else { submitted.wait() };
            let error = service.clock().run(wait.send()).await.unwrap_err();
            assert_eq!(error.reason(), Some(UnknownReason::OtherRecord), "{error}");
        }
    }
}

#[tokio::test]
async fn cancel_takes_no_other_record() {
    for change in [
        (|record: &mut Value| record["id"] = json!("other")) as Spelling,
        |record| record["machineId"] = json!("m2"),
        |record| record["type"] = json!("Isolate"),
    ] {
        let service = Service::new(Repeats::Taken);
        let submitted = service.clock().run(unrestrict(&service.client(), "c")).await.unwrap();
        let service = service.spelling(change);
        let error = service.clock().run(submitted.cancel("No").send()).await.unwrap_err();
        assert!(error.is_outcome_unknown(), "{error}");
        assert_eq!(error.action_id(), Some(submitted.id()));
    }
    // By a bare id, the records are compared with each other.
    let service = Service::new(Repeats::Taken);
    let submitted = service.clock().run(unrestrict(&service.client(), "c")).await.unwrap();
    let upper = submitted.id().as_str().to_uppercase().parse().unwrap();
    assert!(service.clock().run(service.client().action(upper).cancel("No").send()).await.is_ok());
}

#[tokio::test]
async fn ids_are_compared_without_letter_case() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(Duration::from_secs(60));
    let client = service.client();
    let submitted = service.clock().run(unrestrict(&client, "c")).await.unwrap();
    let upper: defender_actions::model::ActionId = submitted.id().as_str().to_uppercase().parse().unwrap();
    for hides_from_lists in [false, true] {
        let service = if hides_from_lists { service.clone().hiding_from_lists() } else { service.clone() };
        let all = client.wait_all([upper.clone(), submitted.id().clone()]).at_most(Duration::from_secs(600));
        let ended: Vec<_> = service.clock().run(futures_util::StreamExt::collect::<Vec<_>>(all.stream())).await;
        assert_eq!(ended.len(), 1, "both are one action");
        assert!(ended[0].0 == upper && ended[0].1.is_ok(), "{ended:?}");
    }
    let ended = service.clock().run(client.action(upper).wait().send()).await;
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn wait_for_all_notices_another_machine() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(Duration::from_secs(60));
    let clock = service.clock().clone();
    let service = service.spelling(move |record| {
        if clock.elapsed() > Duration::from_secs(20) {
            record["machineId"] = json!("m2");
        }
    });
    let client = service.client();
    let submitted = service.clock().run(unrestrict(&client, "c")).await.unwrap();
    let all = client.wait_all([submitted.id().clone()]);
    let ended: Vec<_> = service.clock().run(futures_util::StreamExt::collect::<Vec<_>>(all.stream())).await;
    assert_eq!(ended[0].1.as_ref().unwrap_err().reason(), Some(UnknownReason::OtherRecord));
}

#[tokio::test]
async fn record_that_vanishes_is_missed_from_then_on() {
    // Seen for 150 s, then missing for 60 s: less than the grace, whatever the wait has lasted.
    let service = Service::new(Repeats::Taken);
    let client = service.client();
    let submitted = service.clock().run(unrestrict(&client, "c")).await.unwrap();
    let vanishes = async {
        service.clock().sleep(Duration::from_secs(150)).await;
        let missing = service.clone().hiding_records(true);
        service.clock().sleep(Duration::from_secs(60)).await;
        missing.hiding_records(false).end(submitted.id().as_str(), "Succeeded");
    };
    let (ended, ()) = service.clock().run(futures_util::future::join(submitted.wait().send(), vanishes)).await;
    assert!(ended.is_ok(), "{ended:?}");
}
