//! An action that this library does not have, defined outside: one type with one `impl Action`.

use std::time::Duration;

use defender_actions::{
    DefenderClient, ErrorKind, ExternalIds, Origin,
    auth::StaticCredential,
    model::{Action, Limit, MachineAction, MachineId, Match, Platforms, UserRole},
    transport::{
        extensions::{self, RateLimitScope, UrlTemplate},
        testing::MockTransport,
    },
};
use http::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    service::{Break, Repeats, Service},
    world::MINUTE,
};

/// *Evict user*: its scope is this machine or all machines.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EvictUser {
    comment: String,
    scope: String,
}

impl Action for EvictUser {
    const SEGMENT: &'static str = "evictUser";
    const TYPE: &'static str = "EvictUser";
    const PERMISSIONS: &'static [&'static str] = &["Machine.Evict"];
    const ROLE: Option<UserRole> = Some(UserRole::ACTIVE_REMEDIATION);
    const QUOTA: &'static [Limit] = &[Limit::new(3, MINUTE)];
    const PLATFORMS: Platforms = Platforms::windows(1809, "Windows 10 1809 or later");

    fn particulars(&self, existing: &MachineAction) -> Option<Match> {
        Some(match existing.scope.as_deref() {
            Some(scope) if scope == self.scope => Match::Same,
            Some(_) => Match::Different,
            None => Match::NotStated,
        })
    }
}

fn evict(scope: &str) -> EvictUser {
    EvictUser { comment: "Stolen session".to_owned(), scope: scope.to_owned() }
}

fn machine() -> MachineId {
    "m1".parse().unwrap()
}

#[tokio::test]
async fn own_action_runs_to_success() {
    let service = Service::new(Repeats::Refused).with_actions_that_take(MINUTE);
    let submitted = service.client().machine(machine()).perform(evict("all")).await.unwrap();
    assert_eq!(submitted.origin(), Origin::Created);
    let done = service.clock().run(submitted.wait().send()).await.unwrap();
    assert_eq!((done.action_type.as_str(), done.scope.as_deref()), ("EvictUser", Some("all")));
}

#[tokio::test]
async fn lost_response_is_recovered_by_particulars() {
    let service = Service::new(Repeats::Taken).breaking([Break::AfterTheEffect]);
    let evicting = service.client().machine(machine()).perform(evict("all"));
    let submitted = service.clock().run(evicting.send()).await.unwrap();
    assert_eq!(submitted.origin(), Origin::Recovered);
}

/// Submits the action and drops it before the response. Returns the outcome that a later client recovers from the intent.
async fn recovered(
    of_the_process: impl Fn(&Service) -> DefenderClient,
    other_scope: bool,
) -> Result<Origin, ErrorKind> {
    let service = Service::new(Repeats::Taken).breaking([Break::Hanging]);
    let evicting = of_the_process(&service).machine(machine()).perform(evict("all"));
    let intent = evicting.intent().unwrap();
    let request = Box::pin(evicting.send());
    let over = defender_actions::transport::Clock::sleep(service.clock(), Duration::from_secs(1));
    service.clock().run(futures_util::future::select(request, over)).await;
    assert_eq!(service.ledger(), (1, 1));
    let service = service.spelling(move |record| {
        if other_scope {
            record["scope"] = "this".into();
        }
    });
    let found = of_the_process(&service).recover(intent).send();
    service.clock().run(found).await.map(|found| found.origin()).map_err(|error| error.kind())
}

#[tokio::test]
async fn intent_is_recovered_after_crash() {
    let registered = |service: &Service| service.builder("token").action::<EvictUser>().build().unwrap();
    assert_eq!(recovered(registered, false).await, Ok(Origin::Recovered));
    assert_eq!(recovered(registered, true).await, Err(ErrorKind::OutcomeUnknown));
    // Without the registered type the particulars cannot be compared; a generated id is enough.
    let unregistered = |service: &Service| service.client();
    assert_eq!(recovered(unregistered, false).await, Err(ErrorKind::OutcomeUnknown));
    let generating = |service: &Service| service.builder("t").external_ids(ExternalIds::Generated).build().unwrap();
    assert_eq!(recovered(generating, false).await, Ok(Origin::Recovered));
}

#[tokio::test]
async fn typed_and_raw_calls_share_quota() {
    let client = |builder: defender_actions::DefenderClientBuilder| {
        builder.credential(StaticCredential::new("t")).transport(MockTransport::new()).build().unwrap()
    };
    let client = client(DefenderClient::builder().action::<EvictUser>());
    let typed = client.machine(machine()).perform(evict("all")).request().unwrap();
    let raw = client.post::<Value>("/api/v1.0/machines/m1/EVICTUSER", &json!({})).request().unwrap();
    for request in [&typed, &raw] {
        let scope = extensions::of::<RateLimitScope, _>(request).unwrap();
        assert_eq!(scope.limits.iter().map(|window| window.calls).collect::<Vec<_>>(), [3]);
        assert_eq!(extensions::of(request), Some(&UrlTemplate("/machines/{id}/evictUser".into())));
    }
    assert_eq!(extensions::of::<RateLimitScope, _>(&typed), extensions::of::<RateLimitScope, _>(&raw));
}

#[tokio::test]
async fn refusal_names_permission_and_role() {
    let mut transport = MockTransport::new();
    transport.expect_send().returning(|_| {
        let forbidden = r#"{"error":{"code":"Forbidden","message":"m"}}"#;
        Ok(Response::builder().status(403).body(forbidden.into()).unwrap())
    });
    let client = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport).build().unwrap();
    let text = client.machine(machine()).perform(evict("all")).await.unwrap_err().to_string();
    assert!(text.contains("the application permission Machine.Evict, or"), "{text}");
    assert!(text.contains("`Active remediation actions`"), "{text}");
}

#[tokio::test]
async fn unsupported_platform_is_refused() {
    let mut transport = MockTransport::new();
    transport.expect_send().returning(|_| {
        let record = r#"{"id":"m1","osPlatform":"Ubuntu"}"#;
        Ok(Response::builder().body(record.into()).unwrap())
    });
    let client = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport).build().unwrap();
    let concerns = client.machine(machine()).check::<EvictUser>().await.unwrap();
    assert_eq!(concerns.len(), 1);
    assert!(concerns[0].to_string().contains("needs Windows 10 1809 or later"), "{}", concerns[0]);
    let error = client.machine(machine()).perform(evict("all")).check_machine().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsuitableMachine);
}

#[tokio::test]
async fn preflight_covers_own_action() {
    // {"aud":"https://api.securitycenter.microsoft.com","roles":["Machine.Read.All"]}
    let token = "e30.eyJhdWQiOiJodHRwczovL2FwaS5zZWN1cml0eWNlbnRlci5taWNyb3NvZnQuY29tIiwicm9sZXMiOlsiTWFjaGluZS5SZWFkLkFsbCJdfQ.x";
    let builder = DefenderClient::builder().credential(StaticCredential::new(token)).transport(MockTransport::new());
    let registered = builder.action::<EvictUser>().build().unwrap().preflight().await.unwrap().to_string();
    assert!(registered.contains("EvictUser requires the application permission Machine.Evict"), "{registered}");
}
