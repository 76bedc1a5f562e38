//! The token endpoint.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use defender_transport::Clock;
use http::Request;

use crate::driver::{Answer, Driver, claims, encoded};

/// Checks the whole shape of an error, by its status, word and number.
#[track_caller]
fn assert_refused(response: &Answer, status: u16, error: &str, number: u32) {
    let body = response.json();
    assert_eq!(response.status, status, "{body}");
    assert_eq!(body["error"], error);
    assert_eq!(body["error_codes"], serde_json::json!([number]));
    let description = body["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{number}: ")), "{description}");
    for (words, field) in
        [(" Trace ID: ", "trace_id"), (" Correlation ID: ", "correlation_id"), (" Timestamp: ", "timestamp")]
    {
        assert!(description.contains(&format!("{words}{}", body[field].as_str().unwrap())), "{description}");
    }
    assert_eq!(body["timestamp"], "2026-01-01 12:00:00Z");
    assert!(body["error_uri"].as_str().unwrap().ends_with(&format!("/error?code={number}")));
    assert_eq!(response.header("content-type"), "application/json; charset=utf-8");
}

#[tokio::test]
async fn secret_in_the_form_gets_every_role() {
    let driver = Driver::start().await;
    let response = driver.ask_for_token(&driver.parameters()).await;
    let body = response.json();
    assert_eq!(response.status, 200);
    assert_eq!(response.header("cache-control"), "no-store, no-cache");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3599);
    assert_eq!(body["ext_expires_in"], 3599);

    let claims = claims(body["access_token"].as_str().unwrap());
    let now = driver.clock.now().as_second();
    assert_eq!(claims["aud"], driver.emulator.audience());
    assert_eq!(claims["iss"], format!("https://sts.windows.net/{}/", driver.emulator.tenant_id()));
    assert_eq!(claims["iat"], now);
    assert_eq!(claims["nbf"], now);
    assert_eq!(claims["exp"], now + 3599);
    assert_eq!(claims["tid"], driver.emulator.tenant_id());
    assert_eq!(claims["appid"], driver.emulator.client_id());
    let roles = claims["roles"].as_array().unwrap();
    for role in ["Machine.Read.All", "Machine.ReadWrite.All", "Machine.RestrictExecution", "Machine.Isolate"] {
        assert!(roles.iter().any(|given| given == role), "{role} in {roles:?}");
    }
}

#[tokio::test]
async fn a_secret_by_basic_gets_a_token_too() {
    let driver = Driver::start().await;
    let emulator = &driver.emulator;
    let pair = format!("{}:{}", encoded(emulator.client_id()), encoded(emulator.client_secret()));
    let mut parameters = driver.parameters();
    parameters.retain(|(name, _)| !name.starts_with("client_"));
    let mut request = driver.token_request(emulator.tenant_id(), &parameters);
    let basic = format!("Basic {}", STANDARD.encode(pair));
    request.headers_mut().insert("Authorization", basic.parse().unwrap());
    assert_eq!(driver.send(request).await.status, 200);
}

#[tokio::test]
async fn a_secret_that_is_not_percent_encoded_is_refused() {
    let driver = Driver::start().await;
    let emulator = &driver.emulator;
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={}/.default",
        emulator.client_id(),
        emulator.client_secret(),
        emulator.audience()
    );
    let mut request = driver.token_request(emulator.tenant_id(), &[]);
    *request.body_mut() = Bytes::from(form);
    assert_refused(&driver.send(request).await, 401, "invalid_client", 7_000_215);
}

#[tokio::test]
async fn a_life_that_was_set_is_the_tokens() {
    let driver = Driver::with(|builder| builder.token_lifetime(Duration::from_secs(60))).await;
    let body = driver.ask_for_token(&driver.parameters()).await.json();
    let claims = claims(body["access_token"].as_str().unwrap());
    assert_eq!(body["expires_in"], 60);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
}

#[tokio::test]
async fn left_out_role_is_not_in_the_token() {
    let driver = Driver::with(|builder| builder.without_role("Machine.RestrictExecution")).await;
    let claims = claims(&driver.token().await);
    let roles = claims["roles"].as_array().unwrap();
    assert!(roles.iter().all(|role| role != "Machine.RestrictExecution"), "{roles:?}");
    assert!(roles.iter().any(|role| role == "Machine.Isolate"));
}

#[tokio::test]
async fn each_wrong_parameter_has_its_own_error() {
    let driver = Driver::start().await;
    for (name, value, status, error, number) in [
        ("grant_type", "password", 400, "unsupported_grant_type", 70_003),
        ("client_id", "00000000-0000-0000-0000-000000000000", 400, "unauthorized_client", 700_016),
        ("client_secret", "wrong", 401, "invalid_client", 7_000_215),
        ("scope", "https://api.securitycenter.microsoft.com/Machine.Isolate", 400, "invalid_scope", 70_011),
        ("scope", "/.default", 400, "invalid_scope", 70_011),
        ("scope", "https://one.example/.default https://two.example/.default", 400, "invalid_scope", 70_011),
        ("scope", "https://example.com/.default", 400, "invalid_resource", 500_011),
        ("scope", "https://api.securitycenter.microsoft.com//.default", 400, "invalid_resource", 500_011),
    ] {
        let mut parameters = driver.parameters();
        for parameter in &mut parameters {
            if parameter.0 == name {
                value.clone_into(&mut parameter.1);
            }
        }
        assert_refused(&driver.ask_for_token(&parameters).await, status, error, number);
    }
}

#[tokio::test]
async fn each_missing_or_empty_parameter_has_its_own_error() {
    let driver = Driver::start().await;
    for (name, status, error, number) in [
        ("grant_type", 400, "invalid_request", 900_144),
        ("client_id", 400, "invalid_request", 900_144),
        ("scope", 400, "invalid_request", 900_144),
        ("client_secret", 401, "invalid_client", 7_000_218),
    ] {
        let mut parameters = driver.parameters();
        parameters.retain(|parameter| parameter.0 != name);
        let missing = driver.ask_for_token(&parameters).await;
        assert_refused(&missing, status, error, number);
        assert!(missing.json()["error_description"].as_str().unwrap().contains(name));
        parameters.push((name, String::new()));
        assert_refused(&driver.ask_for_token(&parameters).await, status, error, number);
    }
}

#[tokio::test]
async fn another_tenant_is_not_found() {
    let driver = Driver::start().await;
    let request = driver.token_request("contoso.example", &driver.parameters());
    assert_refused(&driver.send(request).await, 400, "invalid_request", 90_002);
}

#[tokio::test]
async fn a_body_that_is_no_form_has_no_parameters() {
    let driver = Driver::start().await;
    let mut request = driver.token_request(driver.emulator.tenant_id(), &driver.parameters());
    request.headers_mut().insert("Content-Type", "application/json".parse().unwrap());
    assert_refused(&driver.send(request).await, 400, "invalid_request", 900_144);
}

#[tokio::test]
async fn only_a_post_asks_for_a_token() {
    let driver = Driver::start().await;
    let url = driver.url(&format!("/{}/oauth2/v2.0/token", driver.emulator.tenant_id()));
    assert_eq!(driver.send(Request::get(url).body(Bytes::new()).unwrap()).await.status, 405);
}

#[tokio::test]
async fn two_starts_share_their_ids_but_no_key() {
    let (one, two) = (Driver::start().await, Driver::start().await);
    let ids = |driver: &Driver| {
        let emulator = &driver.emulator;
        [emulator.tenant_id(), emulator.client_id(), emulator.client_secret()].map(str::to_owned)
    };
    assert_eq!(ids(&one), ids(&two));
    let documented = include_str!("../../README.md");
    assert!(ids(&one).iter().all(|id| documented.contains(id.as_str())), "the README has them");
    let (first, again, other) = (
        Driver::with(|builder| builder.ids(7)).await,
        Driver::with(|builder| builder.ids(7)).await,
        Driver::with(|builder| builder.ids(8)).await,
    );
    assert_eq!(ids(&first), ids(&again));
    assert!(ids(&first).iter().zip(ids(&other)).all(|(one, other)| *one != other), "a seed gives each its own");
    assert_ne!(one.emulator.ca_pem(), two.emulator.ca_pem());
    let token = one.token().await;
    let refused = two.send(two.request_to_post(&crate::driver::unrestrict_path(), &token, "{}")).await;
    assert_eq!(refused.status, 401, "a token of one opens nothing of the other");
}

#[tokio::test]
async fn older_endpoint_writes_numbers_as_strings() {
    let driver = Driver::start().await;
    let mut parameters = driver.parameters();
    parameters[3] = ("resource", driver.emulator.audience().to_owned());
    let older = |parameters: &[(&'static str, String)]| {
        let mut request = driver.token_request(driver.emulator.tenant_id(), parameters);
        *request.uri_mut() = request.uri().to_string().replace("/v2.0", "").parse().unwrap();
        request
    };
    let response = driver.send(older(&parameters)).await;
    assert_eq!(response.status, 200, "{response:?}");
    let body = response.json();
    assert_eq!((&body["expires_in"], &body["resource"]), (&"3599".into(), &driver.emulator.audience().into()));
    assert_eq!(body["expires_on"], (driver.clock.now().as_second() + 3599).to_string());
    let request = driver.request_to_post("/api/libraryfiles", body["access_token"].as_str().unwrap(), "");
    assert_eq!(driver.send(request).await.status, 400, "the token is good");
    assert_refused(&driver.send(older(&driver.parameters())).await, 400, "invalid_request", 900_144);
}
