//! Successful calls of the API.

use std::time::Duration;

use serde_json::{Value, json};

use crate::driver::{Driver, MACHINE, unrestrict_path};

#[tokio::test]
async fn an_action_is_created_with_all_its_twenty_fields() {
    let driver = Driver::start().await;
    let response = driver.post(&unrestrict_path(), r#"{"Comment":"  Machine was cleaned "}"#).await;
    assert_eq!(response.status, 201);
    let action = response.json();
    action["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap();
    let expected = json!({
        "@odata.context": format!("{}/api/$metadata#MachineActions/$entity", driver.emulator.base_url()),
        "id": action["id"],
        "type": "UnrestrictCodeExecution",
        "title": null,
        "requestor": "Contoso Response Automation",
        "requestorComment": "  Machine was cleaned  ",
        "status": "Pending",
        "machineId": MACHINE,
        "computerDnsName": null,
        "creationDateTimeUtc": "2026-01-01T12:00:00.0000000Z",
        "lastUpdateDateTimeUtc": "2026-01-01T12:00:00.0000000Z",
        "cancellationRequestor": null,
        "cancellationComment": null,
        "cancellationDateTimeUtc": null,
        "errorHResult": 0,
        "scope": null,
        "externalId": null,
        "requestSource": "PublicApi",
        "relatedFileInfo": null,
        "commands": [],
        "troubleshootInfo": null,
    });
    assert_eq!(action, expected);
    assert_eq!(action.as_object().unwrap().len(), 21, "twenty fields and the context");
}

#[tokio::test]
async fn response_has_service_headers_and_clock_date() {
    let driver = Driver::start().await;
    driver.clock.advance(Duration::from_secs(61));
    let response = driver.post(&unrestrict_path(), r#"{"Comment":"c"}"#).await;
    let kind = "application/json; odata.metadata=minimal; odata.streaming=true; charset=utf-8";
    assert_eq!(response.header("content-type"), kind);
    assert_eq!(response.header("odata-version"), "4.0");
    response.header("mise-correlation-id").parse::<uuid::Uuid>().unwrap();
    assert_eq!(response.header("date"), "Thu, 01 Jan 2026 12:01:01 GMT");
}

#[tokio::test]
async fn restricting_is_another_type() {
    let driver = Driver::start().await;
    let path = format!("/api/machines/{MACHINE}/restrictCodeExecution");
    let action = driver.post(&path, r#"{"Comment":"Ransomware","ExternalId":"case-7"}"#).await.json();
    assert_eq!(action["type"], "RestrictCodeExecution");
    assert_eq!(action["externalId"], "case-7");
}

#[tokio::test]
async fn clock_moves_state_and_update_time() {
    let driver = Driver::start().await;
    let action = driver.unrestrict().await;
    let path = format!("/api/machineactions/{}", action["id"].as_str().unwrap());
    for (step, status, updated) in [
        (0, "Pending", "2026-01-01T12:00:00.0000000Z"),
        (999, "Pending", "2026-01-01T12:00:00.0000000Z"),
        (1, "InProgress", "2026-01-01T12:00:01.0000000Z"),
        (1_999, "InProgress", "2026-01-01T12:00:01.0000000Z"),
        (1, "Succeeded", "2026-01-01T12:00:03.0000000Z"),
        (3_600_000, "Succeeded", "2026-01-01T12:00:03.0000000Z"),
    ] {
        driver.clock.advance(Duration::from_millis(step));
        let response = driver.get(&path).await;
        assert_eq!(response.status, 200);
        let mut expected = action.clone();
        expected["status"] = json!(status);
        expected["lastUpdateDateTimeUtc"] = json!(updated);
        expected["computerDnsName"] = json!("ws-eng-04.contoso.example");
        assert_eq!(response.json(), expected, "{step} ms later");
    }
}

#[tokio::test]
async fn the_times_that_were_set_are_kept() {
    let three_days = Duration::from_secs(3 * 24 * 3600);
    let instant = Duration::from_nanos(1);
    let driver = Driver::with(|builder| builder.pending_for(three_days).running_for(Duration::ZERO)).await;
    let path = format!("/api/machineactions/{}", driver.unrestrict().await["id"].as_str().unwrap());
    driver.clock.advance(three_days.checked_sub(instant).unwrap());
    assert_eq!(driver.get(&path).await.json()["status"], "Pending");
    driver.clock.advance(instant);
    assert_eq!(driver.get(&path).await.json()["status"], "Succeeded");
}

#[tokio::test]
async fn a_repeat_is_refused_until_the_first_has_ended() {
    let driver = Driver::start().await;
    let first = driver.unrestrict().await;
    for step in [0, 1_500] {
        driver.clock.advance(Duration::from_millis(step));
        let response = driver.post(&unrestrict_path(), r#"{"Comment":"again"}"#).await;
        assert_eq!(response.status, 400);
        assert_eq!(response.code(), "ActiveRequestAlreadyExists");
        assert_eq!(response.json()["error"]["message"], "Action is already in progress");
    }
    driver.clock.advance(Duration::from_millis(1_500));
    assert_ne!(driver.unrestrict().await["id"], first["id"]);
}

#[tokio::test]
async fn other_type_or_machine_is_no_duplicate() {
    let driver = Driver::start().await;
    driver.unrestrict().await;
    for path in [
        format!("/api/machines/{MACHINE}/restrictCodeExecution"),
        unrestrict_path().replace(MACHINE, driver.emulator.machine_ids()[1]),
    ] {
        assert_eq!(driver.post(&path, r#"{"Comment":"c"}"#).await.status, 201, "{path}");
    }
}

#[tokio::test]
async fn path_matches_in_any_case_and_version() {
    let driver = Driver::start().await;
    for (machine, pattern) in driver.emulator.machine_ids().into_iter().zip([
        "/API/Machines/{}/UNRESTRICTcodeexecution",
        "/api/v1.0/machines/{}/unrestrictCodeExecution",
        "/Api/V1.0/machines/{}/UnrestrictCodeExecution",
    ]) {
        let response = driver.post(&pattern.replace("{}", machine), r#"{"Comment":"c"}"#).await;
        assert_eq!(response.status, 201, "{pattern}");
        let action: Value = response.json();
        let id = action["id"].as_str().unwrap();
        for read in ["/API/MachineActions/", "/api/v1.0/machineactions/"] {
            assert_eq!(driver.get(&format!("{read}{id}")).await.status, 200, "{read}");
        }
    }
}
