//! Tokens: scope, expiry, cache, and replacement after a 401.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use defender_actions::ErrorKind;
use defender_auth::{Cloud, CredentialContext, IntoCredential, TokenRequest};
use defender_azure_identity::AzureCredential;
use defender_emulator::{Fault, Operation};
use defender_transport::{
    Clock,
    testing::{ManualClock, Never},
};

use crate::world::{Numbered, World, live};

fn numbered(expires_on: i64) -> Numbered {
    Numbered { expires_on, scopes: Arc::default() }
}

fn hour(clock: &ManualClock) -> i64 {
    clock.now().as_second() + 3_600
}

#[tokio::test]
async fn azure_identity_signs_in_for_an_action() {
    let world = World::new().await;
    let defender = world.client(AzureCredential::new(world.right()));
    let submitted = defender.machine(world.machine()).isolate("Suspicious sign-ins").await.unwrap();
    defender.action(submitted.action().id.clone()).get().await.unwrap();
    let forms = world.http.forms();
    assert_eq!(forms.len(), 1);
    assert!(forms[0].contains("scope=https%3A%2F%2Fapi.securitycenter.microsoft.com%2F.default"), "{}", forms[0]);
}

#[tokio::test]
async fn concurrent_calls_share_one_sign_in() {
    let world = World::new().await;
    let defender = world.client(AzureCredential::new(world.right()));
    let machine = world.machine();
    let calls = (0..20).map(|_| {
        let (defender, machine) = (defender.clone(), machine.clone());
        tokio::spawn(async move { defender.machine(machine).get().await.map(drop) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(world.http.forms().len(), 1);
}

#[tokio::test]
async fn refused_token_is_replaced_by_new_credential() {
    let world = World::new().await;
    let mut azure = [world.right(), world.right()].into_iter();
    let azure = Mutex::new(move || azure.next());
    let make = move || Ok((azure.lock().unwrap())().expect("a third credential is not needed"));
    let defender = world.client(AzureCredential::from_fn(make));
    world.emulator.fault(Fault::Unauthorized).on(Operation::Isolate).times(1);
    defender.machine(world.machine()).isolate("Suspicious sign-ins").await.unwrap();
    assert_eq!(world.http.forms().len(), 2);
}

/// The limit that the documentation of `new` states. A test, so that a version of `azure_identity` without this limit is noticed.
#[tokio::test]
async fn given_credential_returns_refused_token_again() {
    let world = World::new().await;
    let defender = world.client(AzureCredential::new(world.right()));
    world.emulator.fault(Fault::Unauthorized).on(Operation::Isolate);
    let error = defender.machine(world.machine()).isolate("Suspicious sign-ins").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(world.http.forms().len(), 1);
}

#[tokio::test]
async fn scope_is_audience_of_the_context() {
    let clock = ManualClock::new();
    for (audience, scope) in [
        ("https://api-gov.securitycenter.microsoft.us", "https://api-gov.securitycenter.microsoft.us/.default"),
        ("https://api.example/", "https://api.example//.default"),
        ("https://api.example/.default", "https://api.example/.default"),
    ] {
        let azure = numbered(hour(&clock));
        let context =
            CredentialContext::new(Arc::new(Never), Arc::new(clock.clone()), Cloud::Public).audience(audience);
        let credential = AzureCredential::new(Arc::new(azure.clone())).into_credential(&context).unwrap();
        credential.token(&TokenRequest::new()).await.unwrap();
        assert_eq!(*azure.scopes.lock().unwrap(), [scope]);
    }
}

#[tokio::test]
async fn token_is_kept_until_its_margin() {
    let clock = ManualClock::new();
    let azure = numbered(hour(&clock));
    let credential = live(AzureCredential::new(Arc::new(azure.clone())), &clock);
    for (passed, requests) in [(0, 1), (3_000, 1), (301, 2)] {
        clock.advance(Duration::from_secs(passed));
        let token = credential.token(&TokenRequest::new()).await.unwrap();
        assert_eq!(token.expires_on().as_second(), azure.expires_on);
        assert_eq!(azure.scopes.lock().unwrap().len(), requests, "after {passed} s");
    }
}

#[tokio::test]
async fn expired_token_is_refused() {
    let clock = ManualClock::new();
    let credential = live(AzureCredential::new(Arc::new(numbered(clock.now().as_second()))), &clock);
    let error = credential.token(&TokenRequest::new()).await.unwrap_err();
    assert_eq!(error.kind(), defender_auth::ErrorKind::Response);
    assert!(error.to_string().ends_with("its token has ended already; check this machine's clock"), "{error}");
}

#[tokio::test]
async fn claims_challenge_makes_new_credential() {
    let clock = ManualClock::new();
    let azure = numbered(hour(&clock));
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let make = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(azure.clone()))
    };
    let credential = live(AzureCredential::from_fn(make), &clock);
    let refused = credential.token(&TokenRequest::new()).await.unwrap();
    let ask = TokenRequest::new().rejected_token(refused.clone()).claims("{}");
    assert_ne!(credential.token(&ask).await.unwrap(), refused);
    assert_eq!(count.load(Ordering::Relaxed), 2);
}
