//! People: codes for devices and browsers, refresh tokens, and calls on their behalf.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::Request;
use serde_json::Value;

use super::{ask, refusal, scope};
use crate::driver::{Answer, Driver, encoded};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ON_BEHALF: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Begins at an endpoint beside the token's.
async fn begin(driver: &Driver, parameters: &[(&'static str, String)]) -> Value {
    let mut request = driver.token_request(driver.emulator.tenant_id(), parameters);
    *request.uri_mut() = request.uri().to_string().replace("/token", "/devicecode").parse().unwrap();
    let response = driver.send(request).await;
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

async fn device(driver: &Driver, scope: String) -> Value {
    begin(driver, &[("client_id", driver.emulator.client_id().to_owned()), ("scope", scope)]).await
}

async fn look(driver: &Driver, code: &Value) -> Answer {
    let code = code["device_code"].as_str().unwrap();
    ask(driver, &[("grant_type", DEVICE), ("device_code", code)]).await
}

#[tokio::test]
async fn device_code_is_polled_and_redeemed_once() {
    let driver = Driver::start().await;
    let code = device(&driver, scope(&driver)).await;
    assert_eq!((&code["interval"], &code["expires_in"]), (&5.into(), &900.into()));
    let wait = |seconds| driver.clock.advance(Duration::from_secs(seconds));
    // The first look may come at once. Each that is too soon makes the interval longer by 5 s; a second is given away.
    for (seconds, word) in [
        (0, "authorization_pending"),
        (4, "slow_down"),
        (9, "slow_down"),
        (14, "slow_down"),
        (20, "authorization_pending"),
        (20, "authorization_pending"),
    ] {
        wait(seconds);
        assert_eq!(refusal(&look(&driver, &code).await), (70_016, word.to_owned()), "{seconds}");
    }
    assert!(!driver.emulator.enter_device_code("ANOTHER", true));
    assert!(driver.emulator.enter_device_code(code["user_code"].as_str().unwrap(), true));
    wait(20);
    let response = look(&driver, &code).await;
    assert!(response.status == 200 && response.json()["refresh_token"].is_string(), "{response:?}");
    wait(20);
    assert_eq!(refusal(&look(&driver, &code).await), (70_019, "bad_verification_code".to_owned()));
}

#[tokio::test]
async fn user_signs_in_at_shared_endpoints() {
    let driver = Driver::start().await;
    let client = ("client_id", driver.emulator.client_id().to_owned());
    for (tenant, number) in [("organizations", 0), ("common", 0), ("consumers", 50_194), ("nobody", 90_002)] {
        let sent = async |what: &str, parameters: &[(&'static str, String)]| {
            let mut request = driver.token_request(tenant, parameters);
            *request.uri_mut() = request.uri().to_string().replace("/token", what).parse().unwrap();
            driver.send(request).await
        };
        let begun = sent("/devicecode", &[client.clone(), ("scope", scope(&driver))]).await;
        if number > 0 {
            assert_eq!(refusal(&begun).0, number, "{tenant}");
            continue;
        }
        assert_eq!(begun.status, 200, "{tenant}: {begun:?}");
        let begun = begun.json();
        driver.emulator.enter_device_code(begun["user_code"].as_str().unwrap(), true);
        let code = begun["device_code"].as_str().unwrap().to_owned();
        let grant = ("grant_type", DEVICE.to_owned());
        let tokens = sent("/token", &[client.clone(), grant, ("device_code", code)]).await;
        assert_eq!(tokens.status, 200, "{tenant}: {tokens:?}");
        let token = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
        let grant = ("grant_type", "refresh_token".to_owned());
        let tokens = sent("/token", &[client.clone(), grant, ("refresh_token", token)]).await;
        assert_eq!(tokens.status, 200, "{tenant}: {tokens:?}");
    }
}

#[tokio::test]
async fn declined_or_expired_device_gets_no_token() {
    let driver = Driver::start().await;
    let declined = device(&driver, scope(&driver)).await;
    driver.emulator.enter_device_code(declined["user_code"].as_str().unwrap(), false);
    let once = device(&driver, format!("{}/.default", driver.emulator.audience())).await;
    driver.emulator.enter_device_code(once["user_code"].as_str().unwrap(), true);
    let late = device(&driver, scope(&driver)).await;
    driver.clock.advance(Duration::from_secs(5));
    assert_eq!(refusal(&look(&driver, &declined).await).1, "authorization_declined");
    assert!(look(&driver, &once).await.json().get("refresh_token").is_none());
    driver.clock.advance(Duration::from_secs(895));
    driver.emulator.enter_device_code(late["user_code"].as_str().unwrap(), true);
    assert_eq!(refusal(&look(&driver, &late).await), (70_020, "expired_token".to_owned()));
}

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-in-all";
const REDIRECT: &str = "http://localhost:4711";

/// Signs in with a browser, and returns the response.
async fn authorize(driver: &Driver, change: &[(&'static str, &str)]) -> Answer {
    authorize_at(driver, driver.emulator.tenant_id(), change).await
}

async fn authorize_at(driver: &Driver, tenant: &str, change: &[(&'static str, &str)]) -> Answer {
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
    let (client, scope) = (driver.emulator.client_id().to_owned(), scope(driver));
    let mut query = vec![
        ("client_id", client.as_str()),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", &scope),
        ("state", "a state"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in change {
        query.retain(|(known, _)| known != name);
        query.push((name, value));
    }
    let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let url = driver.url(&format!("/{tenant}/oauth2/v2.0/authorize?{}", query.join("&")));
    driver.send(Request::get(url).body(Bytes::new()).unwrap()).await
}

async fn code(driver: &Driver) -> String {
    let response = authorize(driver, &[]).await;
    assert_eq!(response.status, 302, "{response:?}");
    let location = response.header("location");
    assert!(
        location.starts_with("http://localhost:4711/?code=") && location.contains("&state=a%20state"),
        "{location}"
    );
    location.split(['=', '&']).nth(1).unwrap().to_owned()
}

async fn redeem(driver: &Driver, code: &str, change: &[(&'static str, &str)]) -> Answer {
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in change {
        parameters.retain(|(known, _)| known != name);
        parameters.push((name, value));
    }
    ask(driver, &parameters).await
}

#[tokio::test]
async fn authorization_code_is_redeemed_once() {
    let driver = Driver::start().await;
    let first = code(&driver).await;
    let response = redeem(&driver, &first, &[]).await;
    assert!(response.status == 200 && response.json()["refresh_token"].is_string(), "{response:?}");
    assert_eq!(refusal(&redeem(&driver, &first, &[]).await), (54_005, "invalid_grant".to_owned()));
    let secret = driver.emulator.client_secret();
    assert_eq!(redeem(&driver, &code(&driver).await, &[("client_secret", secret)]).await.status, 200);
    for (change, number) in [
        (("code_verifier", "another-verifier-of-at-least-forty-three-characters"), 501_481),
        (("code_verifier", "short"), 501_481),
        (("redirect_uri", "http://localhost:4712"), 50_011),
        (("redirect_uri", "http://localhost:4711/"), 50_011),
        (("code", "unknown"), 70_000),
        (("code_verifier", ""), 900_144),
        (("client_secret", "wrong"), 7_000_215),
    ] {
        let code = code(&driver).await;
        assert_eq!(refusal(&redeem(&driver, &code, &[change]).await).0, number, "{change:?}");
    }
}

#[tokio::test]
async fn browser_signs_in_at_shared_endpoints() {
    let driver = Driver::start().await;
    for tenant in ["organizations", "common"] {
        let response = authorize_at(&driver, tenant, &[]).await;
        assert_eq!(response.status, 302, "{tenant}: {response:?}");
        let code = response.header("location").split(['=', '&']).nth(1).unwrap().to_owned();
        let parameters = [
            ("grant_type", "authorization_code".to_owned()),
            ("client_id", driver.emulator.client_id().to_owned()),
            ("code", code),
            ("redirect_uri", REDIRECT.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
        ];
        let response = driver.send(driver.token_request(tenant, &parameters)).await;
        assert_eq!(response.status, 200, "{tenant}: {response:?}");
    }
}

#[tokio::test]
async fn client_proves_itself_by_http_basic() {
    let driver = Driver::start().await;
    let pair = |secret: &str| format!("{}:{}", encoded(driver.emulator.client_id()), encoded(secret));
    for (secret, status) in [(driver.emulator.client_secret(), 200), ("wrong", 401)] {
        let parameters = [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code(&driver).await),
            ("redirect_uri", REDIRECT.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
        ];
        let mut request = driver.token_request(driver.emulator.tenant_id(), &parameters);
        let basic = format!("Basic {}", STANDARD.encode(pair(secret)));
        request.headers_mut().insert("Authorization", basic.parse().unwrap());
        let response = driver.send(request).await;
        assert_eq!(response.status, status, "{response:?}");
    }
}

#[tokio::test]
async fn a_code_lives_for_ten_minutes() {
    let driver = Driver::start().await;
    let (in_time, late) = (code(&driver).await, code(&driver).await);
    driver.clock.advance(Duration::from_secs(599));
    assert_eq!(redeem(&driver, &in_time, &[]).await.status, 200);
    driver.clock.advance(Duration::from_secs(1));
    assert_eq!(refusal(&redeem(&driver, &late, &[]).await).0, 70_008);
}

#[tokio::test]
async fn a_browser_that_asks_wrongly_is_sent_nowhere() {
    let driver = Driver::start().await;
    for (change, number) in [
        (("redirect_uri", "http://127.0.0.1:4711"), 50_011),
        (("redirect_uri", "http://localhost:4711/path"), 50_011),
        (("redirect_uri", "https://evil.example"), 50_011),
        (("response_type", "token"), 90_014),
        (("response_mode", "fragment"), 90_014),
        (("code_challenge_method", "S512"), 90_014),
        (("client_id", "other"), 700_016),
    ] {
        let response = authorize(&driver, &[change]).await;
        assert_eq!(refusal(&response).0, number, "{change:?}");
        assert_eq!(response.header("location"), "");
    }
}

async fn refresh(driver: &Driver, token: &str) -> Answer {
    ask(driver, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

#[tokio::test]
async fn refresh_token_ends_by_disuse_or_revocation() {
    let driver = Driver::start().await;
    let granted = redeem(&driver, &code(&driver).await, &[]).await.json();
    let first = granted["refresh_token"].as_str().unwrap();
    let second = refresh(&driver, first).await.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    driver.clock.advance(Duration::from_secs(89 * 24 * 3_600));
    // The one before is good, too: it was not revoked.
    assert_eq!(refresh(&driver, first).await.status, 200);
    driver.clock.advance(Duration::from_secs(24 * 3_600));
    assert_eq!(refusal(&refresh(&driver, &second).await), (700_082, "invalid_grant".to_owned()));
    driver.emulator.revoke_sign_ins();
    assert_eq!(refusal(&refresh(&driver, first).await).0, 50_173);
    assert_eq!(refusal(&refresh(&driver, "unknown").await).0, 70_000);
}

#[tokio::test]
async fn on_behalf_of_checks_the_audience() {
    let driver = Driver::start().await;
    let user = driver.emulator.user_token().unwrap();
    let of_the_api = driver.token().await;
    let secret = driver.emulator.client_secret();
    let asks = |assertion: &str, secret: &str, used: &str| {
        let parameters = [("assertion", assertion), ("client_secret", secret), ("requested_token_use", used)];
        let mut parameters = parameters.map(|(name, value)| (name, value.to_owned())).to_vec();
        parameters.push(("grant_type", ON_BEHALF.to_owned()));
        let driver = &driver;
        async move {
            let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            ask(driver, &parameters).await
        }
    };
    let response = asks(&user, secret, "on_behalf_of").await;
    assert_eq!(response.status, 200, "{response:?}");
    for (assertion, secret, used, number) in [
        (of_the_api.as_str(), secret, "on_behalf_of", 500_131),
        ("no.user.token", secret, "on_behalf_of", 50_013),
        (&user, "wrong", "on_behalf_of", 7_000_215),
        (&user, "", "on_behalf_of", 7_000_218),
        (&user, secret, "other", 900_144),
    ] {
        assert_eq!(refusal(&asks(assertion, secret, used).await).0, number);
    }
    driver.clock.advance(Duration::from_secs(3_600));
    assert_eq!(refusal(&asks(&user, secret, "on_behalf_of").await).0, 500_133);
}
