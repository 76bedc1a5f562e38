//! The requests of Microsoft's own libraries before and beside a token.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::ask_v1;
use crate::driver::{Answer, Driver, claims, encoded};

async fn get(driver: &Driver, path: &str) -> Answer {
    driver.send(Request::get(driver.url(path)).body(Bytes::new()).unwrap()).await
}

/// Signs in with a device; `more` goes with the look.
async fn user(driver: &Driver, scope: &str, grant: &str) -> Value {
    let mut request = driver.token_request(
        driver.emulator.tenant_id(),
        &[("client_id", driver.emulator.client_id().to_owned()), ("scope", scope.to_owned())],
    );
    *request.uri_mut() = request.uri().to_string().replace("/token", "/devicecode").parse().unwrap();
    let begun = driver.send(request).await.json();
    assert!(driver.emulator.enter_device_code(begun["user_code"].as_str().unwrap(), true));
    driver.clock.advance(std::time::Duration::from_secs(5));
    let parameters = [
        ("grant_type", grant.to_owned()),
        ("client_id", driver.emulator.client_id().to_owned()),
        ("device_code", begun["device_code"].as_str().unwrap().to_owned()),
        ("client_info", "1".to_owned()),
    ];
    let response = driver.ask_for_token(&parameters).await;
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

#[tokio::test]
async fn documents_lead_to_the_endpoints() {
    let driver = Driver::start().await;
    let (base, tenant) = (driver.emulator.base_url(), driver.emulator.tenant_id());
    let v2 = get(&driver, &format!("/{tenant}/v2.0/.well-known/openid-configuration")).await.json();
    assert_eq!(v2["token_endpoint"], format!("{base}/{tenant}/oauth2/v2.0/token"));
    assert_eq!(v2["authorization_endpoint"], format!("{base}/{tenant}/oauth2/v2.0/authorize"));
    assert_eq!(v2["device_authorization_endpoint"], format!("{base}/{tenant}/oauth2/v2.0/devicecode"));
    assert_eq!(v2["issuer"], format!("{base}/{tenant}/v2.0"));
    let v1 = get(&driver, &format!("/{tenant}/.well-known/openid-configuration")).await.json();
    assert_eq!(v1["token_endpoint"], format!("{base}/{tenant}/oauth2/token"));
    let instance = get(&driver, "/common/discovery/instance?api-version=1.1").await.json();
    assert_eq!(instance["metadata"][0]["aliases"][0], base.strip_prefix("https://").unwrap());
    let nobody = get(&driver, "/nobody/v2.0/.well-known/openid-configuration").await;
    assert_eq!((nobody.status.as_u16(), &nobody.json()["error"]), (400, &json!("invalid_tenant")));
}

#[tokio::test]
async fn id_token_is_signed_by_the_published_key() {
    let driver = Driver::start().await;
    let scope = format!("openid profile offline_access {}/.default", driver.emulator.audience());
    // The short name is msal-node's.
    let tokens = user(&driver, &scope, "device_code").await;
    let token = tokens["id_token"].as_str().unwrap();
    let said = claims(token);
    let tenant = driver.emulator.tenant_id();
    assert_eq!(said["aud"], driver.emulator.client_id());
    assert_eq!((&said["preferred_username"], &said["tid"]), (&json!("analyst@contoso.example"), &json!(tenant)));
    let info: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(tokens["client_info"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!((&info["uid"], &info["utid"]), (&said["oid"], &json!(tenant)));

    let keys = get(&driver, &format!("/{tenant}/discovery/v2.0/keys")).await.json();
    let part = |name: &str| URL_SAFE_NO_PAD.decode(keys["keys"][0][name].as_str().unwrap()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    RsaPublicKeyComponents { n: part("n"), e: part("e") }
        .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
        .unwrap();
}

#[tokio::test]
async fn id_token_comes_only_where_it_is_asked_for() {
    let driver = Driver::start().await;
    let tokens = user(&driver, &format!("{}/.default", driver.emulator.audience()), "device_code").await;
    assert!(tokens.get("id_token").is_none() && tokens.get("refresh_token").is_none(), "{tokens}");
    assert!(tokens["scope"].as_str().unwrap().contains("/Machine.Isolate"), "{tokens}");
}

#[tokio::test]
async fn older_endpoint_signs_users_in() {
    let driver = Driver::start().await;
    let (client, resource) = (driver.emulator.client_id().to_owned(), driver.emulator.audience().to_owned());
    let begun =
        ask_v1(&driver, "devicecode", &[("client_id", client.clone()), ("resource", resource.clone())]).await.json();
    assert!(begun["verification_url"].is_string() && begun["interval"] == "5", "{begun}");
    driver.emulator.enter_device_code(begun["user_code"].as_str().unwrap(), true);
    driver.clock.advance(std::time::Duration::from_secs(5));
    let code = begun["device_code"].as_str().unwrap().to_owned();
    let parameters = [
        ("grant_type", "device_code".to_owned()),
        ("client_id", client.clone()),
        ("resource", resource.clone()),
        ("code", code),
    ];
    let tokens = ask_v1(&driver, "token", &parameters).await.json();
    assert!(tokens["expires_on"].is_string() && tokens["id_token"].is_string(), "{tokens}");
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    let parameters = [
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", client),
        ("resource", resource),
        ("refresh_token", refresh),
    ];
    assert_eq!(ask_v1(&driver, "token", &parameters).await.json()["expires_in"], "3599");
}

#[tokio::test]
async fn form_post_is_a_page_that_posts_itself() {
    let driver = Driver::with(|builder| builder.redirect_uri("https://app.contoso.example/back")).await;
    let (tenant, client) = (driver.emulator.tenant_id(), driver.emulator.client_id());
    let scope = encoded(&format!("openid {}/.default", driver.emulator.audience()));
    let path = format!(
        "/{tenant}/oauth2/v2.0/authorize?client_id={client}&response_type=code&response_mode=form_post&scope={scope}\
         &redirect_uri=https%3A%2F%2Fapp.contoso.example%2Fback&state=a%22b&nonce=n"
    );
    let page = get(&driver, &path).await;
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(html.contains("action=\"https://app.contoso.example/back\"") && html.contains("a&quot;b"), "{html}");
    let code = html.split("name=\"code\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();

    // Without PKCE, a client must prove who it is.
    let mut parameters = vec![
        ("grant_type", "authorization_code".to_owned()),
        ("client_id", client.to_owned()),
        ("code", code),
        ("redirect_uri", "https://app.contoso.example/back".to_owned()),
    ];
    assert_eq!(driver.ask_for_token(&parameters).await.status, 400);
    parameters.push(("client_secret", driver.emulator.client_secret().to_owned()));
    let response = driver.ask_for_token(&parameters).await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(claims(response.json()["id_token"].as_str().unwrap())["nonce"], "n");
}

#[tokio::test]
async fn scopes_of_two_resources_are_refused() {
    let driver = Driver::start().await;
    for (scope, number) in [
        (format!("{}/.default https://graph.microsoft.com/.default", driver.emulator.audience()), 28_000),
        ("https://example.com/.default".to_owned(), 500_011),
    ] {
        let mut request = driver.token_request(
            driver.emulator.tenant_id(),
            &[("client_id", driver.emulator.client_id().to_owned()), ("scope", scope)],
        );
        *request.uri_mut() = request.uri().to_string().replace("/token", "/devicecode").parse().unwrap();
        assert_eq!(super::refusal(&driver.send(request).await).0, number);
    }
}
