//! A POST while an action of its type is active on its machine; and the sessions.

use std::time::Duration;

use defender_emulator::{Duplicates, Effect};
use serde_json::json;

use crate::driver::{Driver, MACHINE, unrestrict_path};

const SESSION: &str = r#"{"Commands":[{"type":"GetFile","params":[{"key":"Path","value":"p"}]}]}"#;

#[tokio::test]
async fn a_repeat_may_be_answered_with_the_older_action() {
    let driver = Driver::with(|builder| builder.duplicates(Duplicates::Join)).await;
    let first = driver.unrestrict().await;
    driver.clock.advance(Duration::from_millis(1_500));
    let again = driver.post(&unrestrict_path(), r#"{"Comment":"again"}"#).await;
    assert_eq!(again.status, 201);
    assert_eq!(again.json()["id"], first["id"]);
    assert_eq!(again.json()["status"], "InProgress");
    assert_eq!(again.json()["requestorComment"], first["requestorComment"]);
    let id = first["id"].as_str().unwrap().to_owned();
    assert_eq!(driver.emulator.ledger()[1].effect, Effect::Joined(id));
}

#[tokio::test]
async fn a_repeat_may_be_accepted_as_a_second_action() {
    let driver = Driver::with(|builder| builder.duplicates(Duplicates::Accept)).await;
    let (first, second) = (driver.unrestrict().await, driver.unrestrict().await);
    assert_ne!(first["id"], second["id"]);
    for action in [&first, &second] {
        assert_eq!(driver.action(action).await["status"], "Pending");
    }
}

#[tokio::test]
async fn seeded_duplicates_draw_every_choice() {
    let driver = Driver::with(|builder| builder.duplicates(Duplicates::Seeded(1))).await;
    let (mut refused, mut joined, mut overtook) = (0, 0, 0);
    for _ in 0..30 {
        let first = driver.unrestrict().await;
        let again = driver.post(&unrestrict_path(), r#"{"Comment":"again"}"#).await;
        if again.status == 400 {
            refused += 1;
        } else if again.json()["id"] == first["id"] {
            joined += 1;
        } else {
            driver.clock.advance(Duration::from_millis(2_900));
            let ended = driver.action(&again.json()).await["status"] == "Succeeded";
            overtook += usize::from(ended && driver.action(&first).await["status"] == "InProgress");
        }
        driver.clock.advance(Duration::from_secs(60));
    }
    assert!(refused > 0 && joined > 0 && overtook > 0, "{refused} {joined} {overtook}");
}

#[tokio::test]
async fn a_machine_has_one_session_whatever_is_accepted() {
    let driver = Driver::with(|builder| builder.duplicates(Duplicates::Accept)).await;
    driver.act("runliveresponse", SESSION).await;
    let response = driver.post(&format!("/api/machines/{MACHINE}/runliveresponse"), SESSION).await;
    assert_eq!((response.status.as_u16(), response.code().as_str()), (400, "ActiveRequestAlreadyExists"));
}

#[tokio::test]
async fn new_action_is_not_found_yet() {
    let driver = Driver::with(|builder| builder.read_lag(Duration::from_secs(5))).await;
    let path = format!("/api/machineactions/{}", driver.unrestrict().await["id"].as_str().unwrap());
    driver.clock.advance(Duration::from_millis(4_999));
    let response = driver.get(&path).await;
    assert_eq!((response.status.as_u16(), response.code().as_str()), (404, "ResourceNotFound"));
    driver.clock.advance(Duration::from_millis(1));
    assert_eq!(driver.get(&path).await.json()["status"], json!("Succeeded"));
}
