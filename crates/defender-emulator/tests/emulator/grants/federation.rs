//! Tokens of another issuer.

use std::time::Duration;

use defender_transport::Clock;
use serde_json::{Value, json};

use super::{BY_ASSERTION, Signer, ask, refusal};
use crate::driver::{Answer, Driver};

const ISSUER: &str = "https://oidc.example/Cluster";
const SUBJECT: &str = "system:serviceaccount:Response:Runner";
const AUDIENCE: &str = "api://AzureADTokenExchange";

async fn world() -> (Driver, Signer) {
    let (driver, signer) = (Driver::start().await, Signer::new());
    driver.emulator.trust_federation(ISSUER, SUBJECT, AUDIENCE, &signer.public_key());
    (driver, signer)
}

fn claims(driver: &Driver) -> Value {
    let now = driver.clock.now().as_second();
    json!({ "iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": now + 3_600 })
}

async fn asks(driver: &Driver, token: &str) -> Answer {
    let scope = format!("{}/.default", driver.emulator.audience());
    let parameters = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", BY_ASSERTION),
        ("client_assertion", token),
        ("scope", &scope),
    ];
    ask(driver, &parameters).await
}

#[tokio::test]
async fn federated_token_is_reusable_until_it_expires() {
    let (driver, signer) = world().await;
    let token = signer.sign(&json!({ "alg": "RS256", "kid": "1" }), &claims(&driver));
    for _ in 0..2 {
        assert_eq!(asks(&driver, &token).await.status, 200);
    }
    // With five minutes of leeway.
    driver.clock.advance(Duration::from_secs(3_900));
    assert_eq!(refusal(&asks(&driver, &token).await), (700_024, "invalid_client".to_owned()));
}

#[tokio::test]
async fn federation_matches_to_the_letter_case() {
    let (driver, signer) = world().await;
    for (claim, value, number) in [
        ("iss", "https://oidc.example/other", 700_211),
        ("sub", "system:serviceaccount:Response:Other", 700_213),
        ("aud", "api://Other", 700_212),
        ("iss", "https://oidc.example/cluster", 7_002_138),
        ("sub", "system:serviceaccount:response:runner", 7_002_138),
        ("aud", "api://azureadtokenexchange", 7_002_138),
        ("iss", "https://oidc.example/Cluster/", 700_211),
    ] {
        let mut claims = claims(&driver);
        claims[claim] = value.into();
        let token = signer.sign(&json!({ "alg": "RS256" }), &claims);
        assert_eq!(refusal(&asks(&driver, &token).await).0, number, "{value}");
    }
}

#[tokio::test]
async fn only_the_issuers_own_rs256_is_taken() {
    let (driver, signer) = world().await;
    let of_another = Signer::new().sign(&json!({ "alg": "RS256" }), &claims(&driver));
    let of_another_kind = signer.sign(&json!({ "alg": "PS256" }), &claims(&driver));
    for token in [of_another, of_another_kind] {
        assert_eq!(refusal(&asks(&driver, &token).await).0, 700_027);
    }
}
