//! The ledger.

use bytes::Bytes;
use defender_emulator::Effect;
use http::Request;

use crate::driver::{Driver, MACHINE, unrestrict_path};

#[tokio::test]
async fn ledger_has_every_post_in_order() {
    let driver = Driver::start().await;
    let token = driver.token().await;
    let mut accepted = driver.request_to_post(&unrestrict_path(), &token, r#"{"Comment":"first"}"#);
    accepted.headers_mut().insert("client-request-id", "sending-1".parse().unwrap());
    let id = driver.send(accepted).await.json()["id"].as_str().unwrap().to_owned();
    driver.send(driver.request_to_post(&unrestrict_path(), &token, r#"{"Comment":"second"}"#)).await;
    let naked = Request::post(driver.url("/API/v1.0/nowhere")).body(Bytes::from_static(b"\xffraw")).unwrap();
    driver.send(naked).await;

    let ledger = driver.emulator.ledger();
    assert_eq!(ledger.iter().map(|entry| entry.status).collect::<Vec<_>>(), [201, 400, 404]);
    let [first, second, third] = ledger.try_into().unwrap();
    assert_eq!(first.method, "POST");
    assert_eq!(first.path, format!("/api/machines/{MACHINE}/unrestrictCodeExecution"));
    assert!(first.authorization_present);
    assert_eq!(first.content_type.as_deref(), Some("application/json"));
    assert!(first.user_agent.unwrap().starts_with("driver/1.0 "));
    assert_eq!(first.client_request_id.as_deref(), Some("sending-1"));
    assert_eq!(first.body, r#"{"Comment":"first"}"#);
    assert_eq!(first.effect, Effect::Created(id));

    assert_eq!(second.body, r#"{"Comment":"second"}"#);
    // The transport gives each attempt its own id, if the request has none.
    assert!(second.client_request_id.is_some_and(|id| id.len() == 36));
    assert_eq!(second.effect, Effect::None);

    assert_eq!(third.path, "/API/v1.0/nowhere");
    assert!(!third.authorization_present);
    assert_eq!(third.content_type, None);
    assert_eq!(third.body, "\u{fffd}raw");
    assert_eq!(third.effect, Effect::None);
}

#[tokio::test]
async fn ledger_has_no_reads_or_tokens() {
    let driver = Driver::start().await;
    driver.token().await;
    driver.get("/api/machineactions/some").await;
    assert_eq!(driver.post("/elsewhere", "{}").await.status, 404);
    assert_eq!(driver.post("/apiary", "{}").await.status, 404);
    assert_eq!(driver.emulator.ledger(), []);
}

#[tokio::test]
async fn neither_the_ledger_nor_the_emulator_prints_a_secret() {
    let driver = Driver::start().await;
    let token = driver.token().await;
    driver.send(driver.request_to_post(&unrestrict_path(), &token, r#"{"Comment":"c"}"#)).await;
    let printed = format!("{:?} {:?}", driver.emulator, driver.emulator.ledger());
    assert!(printed.contains(driver.emulator.client_id()), "{printed}");
    assert!(!printed.contains(driver.emulator.client_secret()), "{printed}");
    assert!(!printed.contains(&token), "{printed}");
}
