//! Applications: secrets, certificates, and tokens of other issuers.

use std::time::Duration;

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use defender_auth::{AssertionAlgorithm, ClientSecretCredential, ErrorKind, TokenRequest, WorkloadIdentityCredential};
use defender_emulator::{Fault, Operation, RetryAfter};
use defender_transport::{Clock, Transport};
use serde_json::{Value, json};

use super::World;
use crate::support::Folder;

#[tokio::test]
async fn a_secret() {
    let world = World::new().await;
    world.gets_a_token(world.secret()).await;
    let (tenant, client) = world.ids();
    assert_eq!(world.refused(ClientSecretCredential::new(&tenant, &client, "wrong")).await, 7_000_215);
    assert_eq!(world.refused(ClientSecretCredential::new(&tenant, "other", "wrong")).await, 700_016);
}

#[tokio::test]
async fn a_certificate() {
    let world = World::new().await;
    world.gets_a_token(world.certificate(true)).await;
    world.gets_a_token(world.certificate(true).algorithm(AssertionAlgorithm::Rs256).send_chain()).await;
    assert_eq!(world.refused(world.certificate(false)).await, 700_027);
}

#[tokio::test]
async fn assertion_is_single_use_and_bound() {
    let world = World::new().await;
    world.gets_a_token(world.certificate(true)).await;
    let (_, sent) = world.transport.sent.lock().unwrap().first().cloned().unwrap();
    let again = world.transport.send(sent.clone()).await.unwrap();
    let body = again.into_body().collect(1 << 20).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains("used before"), "{body:?}");
    world.clock.advance(Duration::from_secs(600));
    let late = world.transport.send(sent).await.unwrap().into_body().collect(1 << 20).await.unwrap();
    assert!(String::from_utf8_lossy(&late).contains("AADSTS700024"), "{late:?}");
}

/// The platform that runs the workload: issues tokens for it, and writes them into a file.
struct Platform {
    key: KeyPair,
    folder: Folder,
}

impl Platform {
    fn write(&self, world: &World, change: &[(&str, Value)]) -> WorkloadIdentityCredential {
        let now = world.clock.now().as_second();
        let mut claims = json!({
            "iss": "https://oidc.example/Cluster", "sub": "system:serviceaccount:Response:Runner",
            "aud": "api://AzureADTokenExchange", "iat": now, "nbf": now, "exp": now + 3_600,
        });
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "RS256", "kid": "1" })), part(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        let file = self.folder.path().join("token");
        std::fs::write(&file, format!("{signed}.{}\n", URL_SAFE_NO_PAD.encode(signature))).unwrap();
        let (tenant, client) = world.ids();
        WorkloadIdentityCredential::new(tenant, client, file)
    }
}

#[tokio::test]
async fn a_workload() {
    let world = World::new().await;
    let platform = Platform { key: KeyPair::generate(KeySize::Rsa2048).unwrap(), folder: Folder::new() };
    let untrusted = world.refused(platform.write(&world, &[])).await;
    let public_key = platform.key.public_key().as_der().unwrap();
    let (issuer, subject) = ("https://oidc.example/Cluster", "system:serviceaccount:Response:Runner");
    world.emulator.trust_federation(issuer, subject, "api://AzureADTokenExchange", public_key.as_ref());
    let (credential, _) = world.gets_a_token(platform.write(&world, &[])).await;
    // The platform replaces the file, and the credential reads it anew.
    world.clock.advance(Duration::from_secs(3_600));
    platform.write(&world, &[]);
    world.is_taken(&world.ask(&credential, &TokenRequest::new()).await.unwrap()).await;
    assert_eq!(untrusted, 700_027);
    for (claim, value, number) in [
        ("iss", json!("https://oidc.example/cluster"), 7_002_138),
        ("sub", json!("system:serviceaccount:response:Runner"), 7_002_138),
        ("aud", json!("api://azureadtokenexchange"), 7_002_138),
        ("iss", json!("https://other.example"), 700_211),
        ("sub", json!("other"), 700_213),
        ("aud", json!("other"), 700_212),
        ("exp", json!(1), 700_024),
    ] {
        assert_eq!(world.refused(platform.write(&world, &[(claim, value.clone())])).await, number, "{claim}: {value}");
    }
}

#[tokio::test]
async fn lost_response_is_retried_with_new_assertion() {
    let world = World::new().await;
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::Token).times(1);
    world.emulator.fault(Fault::StatusAfterEffect(503, RetryAfter::Absent)).on(Operation::Token).times(1);
    world.gets_a_token(world.certificate(true)).await;
    let forms = world.transport.forms();
    let assertions: std::collections::BTreeSet<_> = forms.iter().map(|form| &form["client_assertion"]).collect();
    assert_eq!((forms.len(), assertions.len()), (3, 3));
}

#[tokio::test]
async fn failing_endpoint_is_retried_within_limit() {
    let world = World::new().await;
    world.emulator.fault(Fault::TooManyRequests(RetryAfter::Seconds(60))).on(Operation::Token).times(1);
    world.emulator.fault(Fault::TooManyRequests(RetryAfter::Date(30))).on(Operation::Token).times(1);
    world.gets_a_token(world.secret()).await;
    let times = world.transport.times();
    assert!(times[1] >= 60 && times[2] >= times[1] + 30, "{times:?}");

    let world = World::new().await;
    world.emulator.fault(Fault::Html502).on(Operation::Token);
    let credential = world.connect(world.secret());
    let error = world.ask(&credential, &TokenRequest::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.status(), world.transport.forms().len()), (ErrorKind::Response, Some(502), 5));
    assert!(error.is_retryable() && error.to_string().contains("in trouble"), "{error}");
}
