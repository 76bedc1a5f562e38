//! Requests that the API refuses, and their codes.

use std::time::Duration;

use bytes::Bytes;
use defender_emulator::Effect;
use http::Request;

use crate::driver::{Driver, MACHINE, unrestrict_path};

const BODY: &str = r#"{"Comment":"Machine was cleaned"}"#;

#[tokio::test]
async fn without_a_token_nothing_is_done() {
    let driver = Driver::start().await;
    for authorization in [None, Some("Basic YTpi"), Some("Bearer"), Some("Bearer opaque")] {
        let mut request = Request::post(driver.url(&unrestrict_path())).header("Content-Type", "application/json");
        if let Some(authorization) = authorization {
            request = request.header("Authorization", authorization);
        }
        let response = driver.send(request.body(Bytes::from(BODY)).unwrap()).await;
        assert_eq!((response.status.as_u16(), response.code().as_str()), (401, "Unauthorized"), "{authorization:?}");
        assert!(response.header("www-authenticate").starts_with("Bearer "), "{response:?}");
    }
    assert!(driver.emulator.ledger().iter().all(|entry| entry.effect == Effect::None));
}

#[tokio::test]
async fn expired_token_is_named_in_the_challenge() {
    let driver = Driver::start().await;
    let token = driver.token().await;
    driver.clock.advance(Duration::from_secs(3_599));
    let response = driver.send(driver.request_to_post(&unrestrict_path(), &token, BODY)).await;
    assert_eq!((response.status.as_u16(), response.code().as_str()), (401, "Unauthorized"));
    assert!(response.header("www-authenticate").contains(r#"error="invalid_token""#), "{response:?}");
    let url = driver.url("/api/machineactions/some");
    let read = Request::get(url).header("Authorization", format!("Bearer {token}")).body(Bytes::new()).unwrap();
    assert_eq!(driver.send(read).await.status, 401);
}

#[tokio::test]
async fn a_token_of_another_emulator_is_refused() {
    let (one, two) = (Driver::start().await, Driver::start().await);
    let foreign = two.token().await;
    assert_eq!(one.send(one.request_to_post(&unrestrict_path(), &foreign, BODY)).await.status, 401);
}

#[tokio::test]
async fn missing_role_forbids_action_but_not_read() {
    let driver = Driver::with(|builder| builder.without_role("Machine.RestrictExecution")).await;
    for path in [unrestrict_path(), unrestrict_path().replace("unrestrict", "restrict")] {
        let response = driver.post(&path, BODY).await;
        assert_eq!((response.status.as_u16(), response.code().as_str()), (403, "Forbidden"));
        assert!(response.json()["error"]["message"].as_str().unwrap().contains("Machine.RestrictExecution"));
    }
    assert_eq!(driver.get("/api/machineactions/some").await.status, 404);
}

#[tokio::test]
async fn any_one_of_the_two_roles_allows_reading() {
    let (all, read_write) = ("Machine.Read.All", "Machine.ReadWrite.All");
    for (left_out, status) in [(vec![all], 200), (vec![read_write], 200), (vec![all, read_write], 403)] {
        let driver =
            Driver::with(|builder| left_out.iter().fold(builder, |builder, role| builder.without_role(*role))).await;
        let path = format!("/api/machineactions/{}", driver.unrestrict().await["id"].as_str().unwrap());
        assert_eq!(driver.get(&path).await.status, status, "without {left_out:?}");
    }
}

#[tokio::test]
async fn unknown_role_is_refused_at_start() {
    let error = defender_emulator::Emulator::builder().without_role("Machine.Restrict").start().await.unwrap_err();
    assert!(error.to_string().contains("`Machine.Restrict`"), "{error}");
    assert!(error.to_string().contains("Machine.RestrictExecution"), "{error}");
}

#[tokio::test]
async fn a_body_must_be_declared_as_json() {
    let driver = Driver::start().await;
    let token = driver.token().await;
    for (kind, status) in [(None, 400), (Some("text/plain"), 400), (Some("Application/JSON; charset=utf-8"), 201)] {
        let mut request = driver.request_to_post(&unrestrict_path(), &token, BODY);
        request.headers_mut().remove("Content-Type");
        if let Some(kind) = kind {
            request.headers_mut().insert("Content-Type", kind.parse().unwrap());
        }
        let response = driver.send(request).await;
        assert_eq!(response.status, status, "{kind:?}");
        assert!(status != 400 || response.code() == "BadRequest", "{kind:?}");
    }
}

#[tokio::test]
async fn a_body_is_read_strictly() {
    let driver = Driver::start().await;
    for (body, code) in [
        ("", "InvalidRequestBody"),
        ("Comment=c", "InvalidRequestBody"),
        (r#"["Comment"]"#, "InvalidRequestBody"),
        ("null", "InvalidRequestBody"),
        (r#"{"comment":"wrong case"}"#, "InvalidRequestBody"),
        (r#"{"Comment":"c","comment":"c"}"#, "InvalidRequestBody"),
        (r#"{"Comment":"c","Unknown":1}"#, "InvalidRequestBody"),
        (r#"{"Comment":"c","RequestSource":null}"#, "InvalidRequestBody"),
        (r#"{"Comment":"c","RequestSource":"Nobody"}"#, "InvalidInput"),
        (r#"{"Comment":"c","Title":7}"#, "InvalidRequestBody"),
        (r#"{"Comment":"c","ExternalId":7}"#, "InvalidRequestBody"),
        (r#"{"Comment":7}"#, "InvalidRequestBody"),
        ("{}", "MissingRequiredParameter"),
        (r#"{"Comment":null}"#, "MissingRequiredParameter"),
        (r#"{"Comment":""}"#, "MissingRequiredParameter"),
        (r#"{"Comment":" \t\n"}"#, "MissingRequiredParameter"),
    ] {
        let response = driver.post(&unrestrict_path(), body).await;
        assert_eq!((response.status.as_u16(), response.code().as_str()), (400, code), "{body}");
    }
    assert!(driver.emulator.ledger().iter().all(|entry| entry.effect == Effect::None));
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let driver = Driver::start().await;
    let body = format!(r#"{{"Comment":"{}"}}"#, "c".repeat(1 << 20));
    assert_eq!(driver.post(&unrestrict_path(), &body).await.status, 413);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let driver = Driver::start().await;
    let response = driver.post("/api/machines/0000/unrestrictCodeExecution", BODY).await;
    assert_eq!((response.status.as_u16(), response.code().as_str()), (404, "ResourceNotFound"));
    assert_eq!(response.json()["error"]["message"], "Machine 0000 was not found");
    assert_eq!(driver.post("/api/machines//unrestrictCodeExecution", BODY).await.status, 404);
    let response = driver.get("/api/machineactions/6f2b7a1e-0000-0000-0000-000000000000").await;
    assert_eq!((response.status.as_u16(), response.code().as_str()), (404, "ResourceNotFound"));
}

#[tokio::test]
async fn a_name_is_no_machine_id() {
    let driver = Driver::start().await;
    let path = unrestrict_path().replace(MACHINE, "ws-eng-04.contoso.example");
    assert_eq!(driver.post(&path, BODY).await.status, 404);
}

#[tokio::test]
async fn an_unknown_route_is_not_found() {
    let driver = Driver::start().await;
    for path in ["/api/machines/x/selfDestruct", "/api/v2.0/machineactions/x", "/api/", "/api"] {
        let response = driver.post(path, BODY).await;
        assert_eq!((response.status.as_u16(), response.json()["error"]["code"].as_str()), (404, Some("")), "{path}");
    }
    assert_eq!(driver.get("/elsewhere").await.status, 404);
}

#[tokio::test]
async fn a_wrong_method_is_not_allowed() {
    let driver = Driver::start().await;
    let response = driver.get(&unrestrict_path()).await;
    assert_eq!((response.status.as_u16(), response.header("allow")), (405, "POST"));
    assert_eq!(driver.post("/api/machineactions/some", BODY).await.status, 405);
}
