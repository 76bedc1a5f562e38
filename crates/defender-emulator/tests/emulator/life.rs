//! The life of an action, and the state of its machine.

use std::time::Duration;

use defender_emulator::{Effect, Outcome};
use serde_json::json;

use crate::driver::{Driver, MACHINE};

const COMMENT: &str = r#"{"Comment":"c"}"#;
const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn cancel(driver: &Driver, action: &serde_json::Value, body: &str) -> crate::driver::Answer {
    driver.post(&format!("/api/machineactions/{}/cancel", action["id"].as_str().unwrap()), body).await
}

#[tokio::test]
async fn offline_action_times_out_after_three_days() {
    let driver = Driver::start().await;
    assert!(driver.emulator.machine_offline(MACHINE));
    let action = driver.act("isolate", COMMENT).await;
    driver.clock.advance((3 * DAY).checked_sub(Duration::from_nanos(1)).unwrap());
    assert_eq!(driver.action(&action).await["status"], "Pending");
    driver.clock.advance(Duration::from_nanos(1));
    let ended = driver.action(&action).await;
    assert_eq!(ended["status"], "TimeOut");
    assert_eq!(ended["errorHResult"], -2_145_844_840);
    assert_eq!(ended["lastUpdateDateTimeUtc"], "2026-01-04T12:00:00.0000000Z");
    assert_eq!(driver.emulator.machine(MACHINE).unwrap().isolation, None);
}

#[tokio::test]
async fn waiting_action_begins_when_online_again() {
    let driver = Driver::start().await;
    driver.emulator.machine_offline(MACHINE);
    let action = driver.act("isolate", COMMENT).await;
    driver.clock.advance(DAY);
    assert!(driver.emulator.machine_online(MACHINE));
    assert_eq!(driver.action(&action).await["status"], "Pending");
    driver.clock.advance(Duration::from_secs(3));
    let ended = driver.action(&action).await;
    assert_eq!(ended["status"], "Succeeded");
    assert_eq!(ended["lastUpdateDateTimeUtc"], "2026-01-02T12:00:03.0000000Z");
    assert!(!driver.emulator.machine_online("nobody"));
}

#[tokio::test]
async fn waiting_action_keeps_its_ordered_outcome() {
    let driver = Driver::start().await;
    driver.emulator.machine_offline(MACHINE);
    for (outcome, status) in [
        (Outcome::Failed { error_hresult: -7 }, "Failed"),
        (Outcome::Cancelled, "Cancelled"),
        (Outcome::TimedOut, "Pending"),
    ] {
        driver.emulator.outcome(outcome).times(1);
        let action = driver.act("isolate", COMMENT).await;
        driver.clock.advance(DAY);
        driver.emulator.machine_online(MACHINE);
        driver.clock.advance(Duration::from_secs(3));
        assert_eq!(driver.action(&action).await["status"], status, "{outcome:?}");
        driver.emulator.machine_offline(MACHINE);
    }
}

#[tokio::test]
async fn waiting_session_fails_without_its_script() {
    let driver = Driver::start().await;
    driver.emulator.machine_offline(MACHINE);
    let run = r#"{"type":"RunScript","params":[{"key":"ScriptName","value":"missing.ps1"}]}"#;
    let session = driver.act("runliveresponse", &format!(r#"{{"Commands":[{run}]}}"#)).await;
    driver.emulator.machine_online(MACHINE);
    driver.clock.advance(Duration::from_secs(3));
    let ended = driver.action(&session).await;
    assert_eq!((&ended["status"], &ended["errorHResult"]), (&json!("Failed"), &json!(-2_147_024_894)));
    assert_eq!(ended["commands"][0]["commandStatus"], "Failed");
}

#[tokio::test]
async fn ordered_timeout_does_not_wait_for_its_machine() {
    let driver = Driver::start().await;
    driver.emulator.outcome(Outcome::TimedOut).times(1);
    let action = driver.act("isolate", COMMENT).await;
    assert!(driver.emulator.machine_online(MACHINE), "it was online before");
    driver.clock.advance((3 * DAY).checked_sub(Duration::from_nanos(1)).unwrap());
    assert_eq!(driver.action(&action).await["status"], "Pending");
    driver.clock.advance(Duration::from_nanos(1));
    assert_eq!(driver.action(&action).await["status"], "TimeOut");
}

#[tokio::test]
async fn outcome_happens_as_often_as_ordered() {
    let driver = Driver::start().await;
    driver.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).of_type("Isolate").times(1);
    let (failed, other) = (driver.act("isolate", COMMENT).await, driver.act("unisolate", COMMENT).await);
    driver.clock.advance(Duration::from_secs(3));
    let failed = driver.action(&failed).await;
    assert_eq!((&failed["status"], &failed["errorHResult"]), (&json!("Failed"), &json!(-2_147_024_891)));
    assert_eq!(driver.action(&other).await["status"], "Succeeded");
    let again = driver.act("isolate", COMMENT).await;
    driver.clock.advance(Duration::from_secs(3));
    assert_eq!(driver.action(&again).await["status"], "Succeeded");
}

#[tokio::test]
async fn a_pending_action_is_cancelled_and_says_by_whom() {
    let driver = Driver::start().await;
    let action = driver.act("isolate", COMMENT).await;
    driver.clock.advance(Duration::from_millis(500));
    let response = cancel(&driver, &action, r#"{"Comment":"False positive"}"#).await;
    assert_eq!(response.status, 200);
    let cancelled = response.json();
    assert_eq!(cancelled["status"], "Cancelled");
    assert_eq!(cancelled["cancellationRequestor"], driver.emulator.application_name());
    assert_eq!(cancelled["cancellationComment"], "False positive");
    assert_eq!(cancelled["cancellationDateTimeUtc"], "2026-01-01T12:00:00.5000000Z");
    assert_eq!(cancelled["lastUpdateDateTimeUtc"], "2026-01-01T12:00:00.5000001Z");
    assert_eq!(cancelled["errorHResult"], -2_147_467_260);
    assert_eq!(driver.action(&action).await, cancelled);
    let id = action["id"].as_str().unwrap().to_owned();
    assert_eq!(driver.emulator.ledger()[1].effect, Effect::Cancelled(id));
    driver.clock.advance(DAY);
    assert_eq!(driver.emulator.machine(MACHINE).unwrap().isolation, None);
}

#[tokio::test]
async fn ended_or_unknown_action_cannot_be_cancelled() {
    let driver = Driver::start().await;
    let action = driver.act("isolate", COMMENT).await;
    driver.clock.advance(Duration::from_secs(3));
    assert_eq!(cancel(&driver, &action, "{}").await.status, 400);
    let unknown = json!({"id": "6f2b7a1e-0000-0000-0000-000000000000"});
    assert_eq!(cancel(&driver, &unknown, "{}").await.status, 404);
    assert_eq!(cancel(&driver, &action, r#"{"comment":"c"}"#).await.code(), "InvalidRequestBody");
}

#[tokio::test]
async fn any_action_role_may_cancel() {
    let seven =
        ["CollectForensics", "Isolate", "RestrictExecution", "Scan", "Offboard", "StopAndQuarantine", "LiveResponse"];
    for kept in [Some("Scan"), None] {
        let driver = Driver::with(|builder| {
            let left_out = seven.iter().filter(|role| Some(**role) != kept);
            left_out.fold(builder, |builder, role| builder.without_role(format!("Machine.{role}")))
        })
        .await;
        let status = if kept.is_some() { 404 } else { 403 };
        assert_eq!(cancel(&driver, &json!({"id": "x"}), "{}").await.status, status, "{kept:?}");
    }
}

#[tokio::test]
async fn the_machine_follows_what_succeeded() {
    let driver = Driver::start().await;
    let state = || driver.emulator.machine(MACHINE).unwrap();
    let step = Duration::from_secs(3);
    driver.act("restrictCodeExecution", COMMENT).await;
    driver.act("isolate", r#"{"Comment":"c","IsolationType":"Selective"}"#).await;
    assert!(!state().restricted && state().isolation.is_none());
    driver.clock.advance(step);
    assert_eq!((state().restricted, state().isolation.as_deref()), (true, Some("Selective")));
    driver.act("unrestrictCodeExecution", COMMENT).await;
    driver.act("unisolate", COMMENT).await;
    driver.act("offboard", COMMENT).await;
    driver.clock.advance(step);
    assert_eq!((state().restricted, state().isolation, state().onboarded), (false, None, false));
    let late = driver.act("isolate", COMMENT).await;
    driver.clock.advance(DAY);
    assert_eq!(driver.action(&late).await["status"], "Pending", "what has left does not response");
    assert!(driver.emulator.machine("nobody").is_none());
}

#[tokio::test]
async fn commands_run_one_after_the_other() {
    let driver = Driver::start().await;
    let get = r#"{"type":"GetFile","params":[{"key":"Path","value":"p"}]}"#;
    let action = driver.act("runliveresponse", &format!(r#"{{"Commands":[{get},{get}]}}"#)).await;
    let states = async || {
        let action = driver.action(&action).await;
        let rows = action["commands"].as_array().unwrap().clone();
        rows.into_iter()
            .map(|row| (row["commandStatus"].clone(), row["startTime"].clone(), row["endTime"].clone()))
            .collect::<Vec<_>>()
    };
    let (created, completed, none) = (json!("Created"), json!("Completed"), json!(null));
    let at = |second| json!(format!("2026-01-01T12:00:0{second}.0000000Z"));
    driver.clock.advance(Duration::from_secs(1));
    let expected = [(created.clone(), at(1), none.clone()), (created.clone(), none.clone(), none.clone())];
    assert_eq!(states().await, expected);
    driver.clock.advance(Duration::from_secs(1));
    assert_eq!(states().await, [(completed.clone(), at(1), at(2)), (created, at(2), none)]);
    driver.clock.advance(Duration::from_secs(1));
    assert_eq!(states().await, [(completed.clone(), at(1), at(2)), (completed, at(2), at(3))]);
}

#[tokio::test]
async fn failed_command_stops_the_rest() {
    let driver = Driver::start().await;
    let get = r#"{"type":"GetFile","params":[{"key":"Path","value":"p"}]}"#;
    let body = format!(r#"{{"Commands":[{get},{get}]}}"#);
    for (outcome, first, second) in [
        (Outcome::Failed { error_hresult: -1 }, "Failed", "Created"),
        (Outcome::Cancelled, "Completed", "Completed"),
        (Outcome::TimedOut, "Created", "Created"),
    ] {
        driver.emulator.outcome(outcome).times(1);
        let action = driver.act("runliveresponse", &body).await;
        driver.clock.advance(3 * DAY);
        let rows = driver.action(&action).await["commands"].clone();
        assert_eq!((&rows[0]["commandStatus"], &rows[1]["commandStatus"]), (&json!(first), &json!(second)));
    }
}
