//! Records that state less than the request, or something else, and whose action they are.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use defender_actions::{
    DefenderClient, Origin, UnknownReason,
    auth::{AccessToken, Error as AuthError, TokenCredential, TokenRequest},
    transport::{Clock, testing::ManualClock},
};
use serde_json::{Value, json};

use crate::{
    service::{Break, Repeats, Service},
    submissions::{ACTIONS, Spelling, isolate, machine, tokens, unrestrict},
};

/// Credential that caches nothing, and returns one token.
#[derive(Debug, Default)]
struct Once(AtomicBool);

#[async_trait::async_trait]
impl TokenCredential for Once {
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, AuthError> {
        if self.0.swap(true, Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(AccessToken::new("token", jiff::Timestamp::MAX))
    }
}

#[tokio::test]
async fn silent_credential_does_not_hold_back_an_outcome() {
    let service = Service::new(Repeats::Taken).spelling(|record| record["requestor"] = json!("ann@contoso.com"));
    let client = DefenderClient::builder().credential(Once::default()).transport(service.clone());
    let client = client.clock(service.clock().clone()).build().unwrap();
    let submitted = service.clock().run(client.machine(machine()).isolate("c").send()).await.unwrap();
    assert_eq!(submitted.origin(), Origin::Created);
    assert!(service.clock().elapsed() < Duration::from_secs(60), "{:?}", service.clock().elapsed());
}

/// Credential whose second token, the one whose names are read first, takes twelve seconds.
#[derive(Debug)]
struct Late {
    clock: ManualClock,
    token: String,
    caches: bool,
    calls: AtomicU32,
}

#[async_trait::async_trait]
impl TokenCredential for Late {
    async fn token(&self, _: &TokenRequest) -> Result<AccessToken, AuthError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == 1 {
            self.clock.sleep(Duration::from_secs(12)).await;
        }
        Ok(AccessToken::new(self.token.as_str(), jiff::Timestamp::MAX))
    }

    fn cached_token(&self) -> Option<AccessToken> {
        let is_there = self.caches && self.calls.load(Ordering::SeqCst) > 2;
        is_there.then(|| AccessToken::new(self.token.as_str(), jiff::Timestamp::MAX))
    }
}

/// A token that is late can show that an action is another principal's.
#[tokio::test]
async fn late_token_recovers_no_action_of_another() {
    for (requestor, caches, origin) in [
        ("bob@contoso.com", true, None),
        ("bob@contoso.com", false, None),
        ("ann@contoso.com", false, None),
        ("ann@contoso.com", true, Some(Origin::Recovered)),
        ("Contoso Response", false, Some(Origin::Recovered)),
    ] {
        let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
        let service = service.spelling(move |record| record["requestor"] = json!(requestor));
        let (clock, token) = (service.clock().clone(), tokens()[3].clone());
        let credential = Late { clock: clock.clone(), token, caches, calls: AtomicU32::new(0) };
        let client = DefenderClient::builder().credential(credential).transport(service.clone());
        let client = client.clock(clock.clone()).build().unwrap();
        let outcome = clock.run(client.machine(machine()).isolate("c").send()).await;
        assert_eq!(outcome.map(|submitted| submitted.origin()).ok(), origin, "{requestor}, {caches}");
    }
}

#[tokio::test]
async fn unknown_requestor_is_recovered() {
    for token in tokens() {
        for requestor in [json!("Contoso Response"), json!("ann@contoso.com "), json!(null), json!("")] {
            let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
            let service = service.spelling(move |record| record["requestor"] = requestor.clone());
            let submitted = service.clock().run(unrestrict(&service.client_with(&token), "c")).await.unwrap();
            assert_eq!((submitted.origin(), service.ledger()), (Origin::Recovered, (1, 1)));
        }
    }
}

/// Kinds of records that are ours and state less than the request, or state it in another form.
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
async fn sparse_record_is_recovered() {
    for (name, spelling) in ours() {
        for (which, submit) in ACTIONS.into_iter().enumerate() {
            let service = Service::new(Repeats::Taken).spelling(spelling);
            let created = service.clock().run(submit(&service.client(), "one\ntwo")).await.unwrap();
            assert_eq!(created.origin(), Origin::Created, "{name} {which}");
            let service = Service::new(Repeats::Taken).spelling(spelling).breaking([Break::AfterTheEffect]);
            let found = service.clock().run(submit(&service.client(), "one\ntwo")).await;
            assert_eq!(found.unwrap().origin(), Origin::Recovered, "{name} {which}");
            assert_eq!(service.ledger(), (1, 1), "{name} {which}");
        }
    }
}

#[tokio::test]
async fn wait_fails_on_other_particulars() {
    let service = Service::new(Repeats::ReturnsFirst).with_actions_that_take(Duration::from_secs(60));
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
async fn last_record_must_prove_identity() {
    // Joined in a 2xx: another comment, and the scope is never stated.
    let service = Service::new(Repeats::ReturnsFirst).with_actions_that_take(Duration::from_secs(60));
    let service = service.spelling(|record| record["scope"] = json!(null));
    service.foreign(&json!({"machineId": "m1", "type": "Isolate", "requestorComment": "other"}));
    let submitted = service.clock().run(isolate(&service.client(), "c")).await.unwrap();
    assert_eq!(submitted.origin(), Origin::Joined);
    let error = service.clock().run(submitted.wait().send()).await.unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::OtherRecord), "{error}");
}

#[tokio::test]
async fn row_without_machine_is_recovered() {
    for field in ["machineId", "type"] {
        let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
        let service = service.spelling(move |record| record[field] = json!(null));
        let request = service.client().machine(machine()).unrestrict_code_execution("c");
        let submitted = service.clock().run(request.send()).await.unwrap();
        assert_eq!((submitted.origin(), service.ledger()), (Origin::Recovered, (1, 1)), "{field}");
    }
}

#[tokio::test]
async fn wait_fails_on_other_machine() {
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
async fn cancel_rejects_other_record() {
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
    // For a bare id, the records are compared with each other.
    let service = Service::new(Repeats::Taken);
    let submitted = service.clock().run(unrestrict(&service.client(), "c")).await.unwrap();
    let upper = submitted.id().as_str().to_uppercase().parse().unwrap();
    assert!(service.clock().run(service.client().action(upper).cancel("No").send()).await.is_ok());
}

#[tokio::test]
async fn ids_ignore_letter_case() {
    let service = Service::new(Repeats::Taken).with_actions_that_take(Duration::from_secs(60));
    let client = service.client();
    let submitted = service.clock().run(unrestrict(&client, "c")).await.unwrap();
    let upper: defender_actions::model::ActionId = submitted.id().as_str().to_uppercase().parse().unwrap();
    for hides_from_lists in [false, true] {
        let service = if hides_from_lists { service.clone().hiding_from_lists() } else { service.clone() };
        let all = client.wait_all([upper.clone(), submitted.id().clone()]).at_most(Duration::from_secs(600));
        let ended: Vec<_> = service.clock().run(futures_util::StreamExt::collect::<Vec<_>>(all.stream())).await;
        assert_eq!(ended.len(), 1, "both ids name one action");
        assert!(ended[0].0 == upper && ended[0].1.is_ok(), "{ended:?}");
    }
    let ended = service.clock().run(client.action(upper).wait().send()).await;
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn wait_all_fails_on_other_machine() {
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
async fn grace_starts_when_record_vanishes() {
    // Visible for 150 s, then missing for 60 s: less than the grace, for any length of the wait.
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
