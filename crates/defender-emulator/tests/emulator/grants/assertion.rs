//! An application that signs.

use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use defender_emulator::{AssertionUse, EmulatorBuilder};
use defender_transport::Clock;
use serde_json::{Value, json};

use super::{BY_ASSERTION, Signer, ask, refusal};
use crate::driver::Driver;

/// Stands for the certificate: the emulator knows it by its digests alone.
const CERTIFICATE: &[u8] = b"a certificate";

struct Application {
    driver: Driver,
    signer: Signer,
}

impl Application {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// One whose assertions are good once, and to the second.
    async fn strict() -> Self {
        Self::with(|builder| builder.assertion_leeway(Duration::ZERO).assertion_use(AssertionUse::Once)).await
    }

    async fn with(set_up: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Self {
        let (driver, signer) = (Driver::with(set_up).await, Signer::new());
        driver.emulator.trust_certificate(CERTIFICATE, &signer.public_key());
        Self { driver, signer }
    }

    fn head(algorithm: &str) -> Value {
        let of = |algorithm| URL_SAFE_NO_PAD.encode(digest(algorithm, CERTIFICATE));
        match algorithm {
            "PS256" => json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": of(&SHA256) }),
            other => json!({ "alg": other, "typ": "JWT", "x5t": of(&SHA1_FOR_LEGACY_USE_ONLY) }),
        }
    }

    fn claims(&self) -> Value {
        let emulator = &self.driver.emulator;
        let now = self.driver.clock.now().as_second();
        json!({
            "aud": format!("{}/{}/oauth2/v2.0/token", emulator.authority(), emulator.tenant_id()),
            "iss": emulator.client_id(),
            "sub": emulator.client_id(),
            "jti": uuid::Uuid::new_v4().to_string(),
            "nbf": now,
            "exp": now + 600,
        })
    }

    async fn asks(&self, assertion: &str) -> crate::driver::Answer {
        let parameters = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", BY_ASSERTION),
            ("client_assertion", assertion),
            ("scope", &format!("{}/.default", self.driver.emulator.audience())),
        ];
        ask(&self.driver, &parameters).await
    }

    async fn number(&self, head: &Value, claims: &Value) -> u64 {
        refusal(&self.asks(&self.signer.sign(head, claims)).await).0
    }
}

#[tokio::test]
async fn one_of_either_algorithm_is_taken() {
    let application = Application::new().await;
    for algorithm in ["PS256", "RS256"] {
        let assertion = application.signer.sign(&Application::head(algorithm), &application.claims());
        let response = application.asks(&assertion).await;
        assert_eq!(response.status, 200, "{response:?}");
        assert!(response.json().get("refresh_token").is_none(), "an application is given none");
    }
}

#[tokio::test]
async fn each_claim_is_checked() {
    let application = Application::strict().await;
    let now = application.driver.clock.now().as_second();
    let other = Value::from("other");
    for (claim, value, number) in [
        ("aud", other.clone(), 700_023),
        ("aud", json!(application.driver.emulator.authority()), 700_023),
        ("iss", other.clone(), 700_021),
        ("sub", other, 700_021),
        ("nbf", json!(now + 1), 700_024),
        ("exp", json!(now), 700_024),
        ("exp", Value::Null, 700_024),
        ("jti", Value::Null, 700_027),
        ("jti", json!(""), 700_027),
    ] {
        let mut claims = application.claims();
        claims[claim] = value;
        assert_eq!(application.number(&Application::head("PS256"), &claims).await, number, "{claim}: {claims}");
    }
}

#[tokio::test]
async fn the_thumbprint_and_the_signature_are_checked() {
    let application = Application::new().await;
    let (ps256, rs256) = (Application::head("PS256"), Application::head("RS256"));
    for head in [
        json!({ "alg": "PS256", "x5t": rs256["x5t"] }),
        json!({ "alg": "RS256", "x5t#S256": ps256["x5t#S256"] }),
        json!({ "alg": "PS256", "x5t#S256": URL_SAFE_NO_PAD.encode(digest(&SHA256, b"another")) }),
        json!({ "alg": "none", "x5t": rs256["x5t"] }),
        json!({ "alg": "HS256", "x5t": rs256["x5t"] }),
    ] {
        assert_eq!(application.number(&head, &application.claims()).await, 700_027, "{head}");
    }
    // Signed in the one way and called the other.
    let signed = application.signer.sign(&rs256, &application.claims());
    let (_, rest) = signed.split_once('.').unwrap();
    let mixed = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(ps256.to_string()));
    // Another's signature, none, and claims that were changed afterwards.
    let foreign = Signer::new().sign(&ps256, &application.claims());
    let (bare, _) = foreign.rsplit_once('.').unwrap();
    let good = application.signer.sign(&ps256, &application.claims());
    let parts: Vec<_> = good.split('.').collect();
    let changed = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(application.claims().to_string()), parts[2]);
    for assertion in [mixed, foreign.clone(), format!("{bare}."), changed, "opaque".to_owned(), "a.b.c".to_owned()] {
        assert_eq!(refusal(&application.asks(&assertion).await), (700_027, "invalid_client".to_owned()));
    }
}

#[tokio::test]
async fn one_is_good_once_where_it_is_chosen() {
    let application = Application::strict().await;
    let assertion = application.signer.sign(&Application::head("PS256"), &application.claims());
    assert_eq!(application.asks(&assertion).await.status, 200);
    assert_eq!(refusal(&application.asks(&assertion).await).0, 700_027);
}

#[tokio::test]
async fn unknown_assertion_type_is_refused() {
    let application = Application::new().await;
    let assertion = application.signer.sign(&Application::head("PS256"), &application.claims());
    let parameters = |kind: &'static str, secret: &'static str| {
        [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", kind),
            ("client_secret", secret),
            ("client_assertion", assertion.as_str()),
        ]
        .map(|(name, value)| (name, value.to_owned()))
    };
    for (kind, secret, number) in [("", "", 900_144), ("other", "", 900_144), (BY_ASSERTION, "secret", 90_023)] {
        let parameters = parameters(kind, secret);
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(refusal(&ask(&application.driver, &parameters).await).0, number);
    }
}

#[tokio::test]
async fn thumbprint_is_compared_as_bytes() {
    let application = Application::new().await;
    for digests in [&SHA256, &SHA1_FOR_LEGACY_USE_ONLY] {
        let bytes = digest(digests, CERTIFICATE);
        for text in [URL_SAFE.encode(bytes), URL_SAFE_NO_PAD.encode(bytes), STANDARD.encode(bytes)] {
            let head = if digests == &SHA256 {
                json!({ "alg": "PS256", "x5t#S256": text })
            } else {
                json!({ "alg": "RS256", "x5t": text })
            };
            let response = application.asks(&application.signer.sign(&head, &application.claims())).await;
            assert_eq!(response.status, 200, "{head}: {response:?}");
        }
    }
}

#[tokio::test]
async fn dates_have_fractions_and_five_minutes_of_leeway() {
    let application = Application::new().await;
    let now = application.driver.clock.now().as_second();
    let asked = async |nbf: Value, exp: Value| {
        let mut claims = application.claims();
        (claims["nbf"], claims["exp"]) = (nbf, exp);
        let response = application.asks(&application.signer.sign(&Application::head("PS256"), &claims)).await;
        response.status.as_u16()
    };
    #[expect(clippy::cast_precision_loss, reason = "the dates of tests are small")]
    let at = |seconds: f64| json!(now as f64 + seconds);
    assert_eq!(asked(at(0.75), at(600.25)).await, 200);
    assert_eq!(asked(json!(now + 300), json!(now + 900)).await, 200);
    assert_eq!(asked(at(300.5), json!(now + 900)).await, 401);
    assert_eq!(asked(json!(now - 900), at(-299.5)).await, 200);
    assert_eq!(asked(json!(now - 900), json!(now - 300)).await, 401);
}

#[tokio::test]
async fn assertion_is_good_for_many_requests_at_both_endpoints() {
    let application = Application::new().await;
    let emulator = &application.driver.emulator;
    let mut claims = application.claims();
    claims["jti"] = Value::Null;
    claims["aud"] = json!(format!("{}/{}/oauth2/token", emulator.authority(), emulator.tenant_id()));
    let assertion = application.signer.sign(&Application::head("RS256"), &claims);
    for _ in 0..3 {
        assert_eq!(application.asks(&assertion).await.status, 200);
    }
    let parameters = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", emulator.client_id().to_owned()),
        ("client_assertion_type", BY_ASSERTION.to_owned()),
        ("client_assertion", assertion),
        ("resource", emulator.audience().to_owned()),
    ];
    let response = super::ask_v1(&application.driver, "token", &parameters).await;
    assert_eq!((response.status.as_u16(), &response.json()["expires_in"]), (200, &json!("3599")));
}

#[tokio::test]
async fn application_signs_in_to_its_own_tenant_alone() {
    let application = Application::new().await;
    let emulator = &application.driver.emulator;
    for (grant, used) in [("client_credentials", ""), ("urn:ietf:params:oauth:grant-type:jwt-bearer", "on_behalf_of")] {
        for (tenant, number) in
            [("common", 50_194), ("organizations", 50_194), ("not%20one", 900_023), ("contoso.example", 90_002)]
        {
            let mut claims = application.claims();
            claims["aud"] = json!(format!("{}/{tenant}/oauth2/v2.0/token", emulator.authority()));
            let parameters = [
                ("grant_type", grant.to_owned()),
                ("client_id", emulator.client_id().to_owned()),
                ("client_assertion_type", BY_ASSERTION.to_owned()),
                ("client_assertion", application.signer.sign(&Application::head("PS256"), &claims)),
                ("scope", format!("{}/.default", emulator.audience())),
                ("assertion", emulator.user_token().unwrap()),
                ("requested_token_use", used.to_owned()),
            ];
            let response = application.driver.send(application.driver.token_request(tenant, &parameters)).await;
            assert_eq!(refusal(&response), (number, "invalid_request".to_owned()), "{grant} {tenant}");
        }
    }
}

#[tokio::test]
async fn audience_is_the_endpoint_of_the_request() {
    let application = Application::new().await;
    let emulator = &application.driver.emulator;
    let asked = async |tenant: &str, audience: &str| {
        let mut claims = application.claims();
        claims["aud"] = json!(format!("{}/{audience}/oauth2/v2.0/token", emulator.authority()));
        let parameters = [
            ("grant_type", "refresh_token".to_owned()),
            ("client_id", emulator.client_id().to_owned()),
            ("client_assertion_type", BY_ASSERTION.to_owned()),
            ("client_assertion", application.signer.sign(&Application::head("PS256"), &claims)),
            ("refresh_token", "unknown".to_owned()),
        ];
        refusal(&application.driver.send(application.driver.token_request(tenant, &parameters)).await).0
    };
    assert_eq!(asked("organizations", "organizations").await, 70_000, "the assertion is good");
    assert_eq!(asked("organizations", "common").await, 700_023);
    assert_eq!(asked(emulator.tenant_id(), "organizations").await, 700_023);
}

#[tokio::test]
async fn scope_is_checked_as_with_a_secret() {
    let application = Application::new().await;
    let emulator = &application.driver.emulator;
    let audience = emulator.audience();
    for (scope, number) in [
        (String::new(), 900_144),
        (audience.to_owned(), 70_011),
        (format!("{audience}/Machine.Isolate"), 70_011),
        (format!("{audience}/.default offline_access"), 70_011),
        ("https://example.com/.default".to_owned(), 500_011),
    ] {
        let proof = [
            ("client_assertion_type", BY_ASSERTION.to_owned()),
            ("client_assertion", application.signer.sign(&Application::head("PS256"), &application.claims())),
        ];
        for proof in [proof.to_vec(), vec![("client_secret", emulator.client_secret().to_owned())]] {
            let mut parameters = vec![
                ("grant_type", "client_credentials".to_owned()),
                ("client_id", emulator.client_id().to_owned()),
                ("scope", scope.clone()),
            ];
            parameters.extend(proof);
            assert_eq!(refusal(&application.driver.ask_for_token(&parameters).await).0, number, "{scope}");
        }
    }
}
