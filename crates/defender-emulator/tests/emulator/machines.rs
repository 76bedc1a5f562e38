//! The machines: reading and changing them.

use std::time::Duration;

use defender_emulator::{Effect, Quotas};
use serde_json::{Value, json};

use crate::driver::{Driver, MACHINE, encoded};

const OTHER: &str = "3b6a6b3f1f0c4b8d9d5f2e8a7c41509e66d2fa18";

fn names(response: &Value) -> Vec<&str> {
    response["value"].as_array().unwrap().iter().map(|row| row["computerDnsName"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn machine_is_read_by_id_or_name() {
    let driver = Driver::start().await;
    let machine = driver.get(&format!("/api/machines/{MACHINE}")).await.json();
    assert_eq!(machine["@odata.context"], driver.url("/api/$metadata#Machines/$entity"));
    assert_eq!(machine["computerDnsName"], "ws-eng-04.contoso.example");
    assert_eq!(machine["rbacGroupId"], 140);
    assert_eq!(driver.get("/api/machines/WS-eng-04.contoso.example").await.json(), machine);
    assert_eq!(driver.get("/api/machines/ws-eng-04").await.status, 404, "a part of a name is not a name");
}

#[tokio::test]
async fn machines_are_listed_and_filtered() {
    let driver = Driver::start().await;
    for (filter, expected) in [
        ("startswith(computerDnsName,'ws-eng-04')", vec!["ws-eng-04.contoso.example", "ws-eng-042.contoso.example"]),
        ("computerDnsName eq 'C-Lab-31'", vec!["C-Lab-31"]),
        ("machineTags/any(tag: tag eq 'Engineering')", vec!["ws-eng-04.contoso.example"]),
        ("aadDeviceId eq null and osPlatform eq 'RedHatEnterpriseLinux'", vec!["C-Lab-31"]),
        ("healthStatus eq 'Active' and riskScore eq 'High' and rbacGroupId eq 140", vec!["C-Lab-31"]),
        ("lastSeen gt 2026-01-02Z", vec![]),
    ] {
        let response = driver.get(&format!("/api/machines?$filter={}", encoded(filter))).await;
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(names(&response.json()), expected, "{filter}");
    }
    let response = driver.get("/api/machines?$orderby=computerDnsName%20desc&$top=1").await.json();
    assert_eq!(names(&response), ["ws-eng-042.contoso.example"]);
    assert_eq!(&driver.get("/api/machines/$count").await.body[..], b"3");
    assert_eq!(driver.get("/api/machines?$filter=firstSeen%20gt%202020-01-01Z").await.status, 400);
}

#[tokio::test]
async fn machine_list_is_404_when_empty() {
    let driver = Driver::with(|builder| builder.machines(0)).await;
    assert_eq!(driver.get("/api/machines").await.status, 404);
    assert!(driver.emulator.machine_ids().is_empty());
    let driver = Driver::with(|builder| builder.machines(40)).await;
    assert_eq!(driver.get("/api/machines").await.json()["value"].as_array().unwrap().len(), 40);
    let ids: std::collections::BTreeSet<_> = driver.emulator.machine_ids().into_iter().collect();
    assert!(ids.len() == 40 && ids.iter().all(|id| id.len() == 40), "{ids:?}");
}

#[tokio::test]
async fn fifty_sessions_are_the_most() {
    let driver = Driver::with(|builder| builder.machines(51).quotas(Quotas::Off)).await;
    let body = r#"{"Commands":[{"type":"GetFile","params":[{"key":"Path","value":"p"}]}]}"#;
    let machines: Vec<_> = driver.emulator.machine_ids().into_iter().map(str::to_owned).collect();
    for (number, machine) in machines.iter().enumerate() {
        let response = driver.post(&format!("/api/machines/{machine}/runliveresponse"), body).await;
        assert_eq!(response.status, if number < 50 { 201 } else { 429 }, "{number}: {response:?}");
    }
    driver.clock.advance(Duration::from_secs(60));
    let response = driver.post(&format!("/api/machines/{}/runliveresponse", machines[50]), body).await;
    assert_eq!(response.status, 201);
}

#[tokio::test]
async fn machines_are_found_by_address_around_a_time() {
    let driver = Driver::start().await;
    let ip = driver.get(&format!("/api/machines/{MACHINE}")).await.json()["lastIpAddress"].clone();
    let find = |ip: &str, time: &str| format!("/api/machines/findbyip(ip='{ip}',timestamp={time})");
    let ip = ip.as_str().unwrap();
    for (time, count) in [("2026-01-01T12:00:00Z", 1), ("2026-01-01T12:14:00Z", 1), ("2026-01-01T12:16:00Z", 0)] {
        let response = driver.get(&find(ip, time)).await;
        assert_eq!(response.json()["value"].as_array().unwrap().len(), count, "{time}");
    }
    for (ip, time, code) in [
        (ip, "2025-11-01T12:00:00Z", "InvalidInput"),
        (ip, "'2026-01-01T12:00:00Z'", "InvalidInput"),
        ("ten", "2026-01-01T12:00:00Z", "InvalidIpAddress"),
    ] {
        let response = driver.get(&find(ip, time)).await;
        assert_eq!((response.status.as_u16(), response.code().as_str()), (400, code), "{ip} {time}");
    }
}

#[tokio::test]
async fn machines_are_found_by_tag_or_by_its_beginning() {
    let driver = Driver::start().await;
    for (query, count) in [
        ("tag=Engineering", 1),
        ("tag=Engineer", 0),
        ("tag=Engineer&useStartsWithFilter=true", 1),
        ("tag=Engineering%20floor%204&useStartsWithFilter=false", 1),
    ] {
        let response = driver.get(&format!("/api/machines/findbytag?{query}")).await.json();
        assert_eq!(response["value"].as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(driver.get("/api/machines/findbytag").await.code(), "MissingRequiredParameter");
    assert_eq!(driver.get("/api/machines/findbytag?tag=a&useStartsWithFilter=yes").await.code(), "InvalidInput");
}

#[tokio::test]
async fn a_tag_comes_and_goes() {
    let driver = Driver::start().await;
    let path = format!("/api/machines/{OTHER}/tags");
    for (body, tags) in [
        (r#"{"Value":"red","Action":"Add"}"#, json!(["red"])),
        (r#"{"Value":"red","Action":"Add"}"#, json!(["red"])),
        (r#"{"Value":"red","Action":"Remove"}"#, json!([])),
        (r#"{"Value":"red","Action":"Remove"}"#, json!([])),
    ] {
        let response = driver.post(&path, body).await;
        assert_eq!((response.status.as_u16(), &response.json()["machineTags"]), (200, &tags), "{body}");
    }
    assert!(driver.emulator.ledger().iter().all(|entry| entry.effect == Effect::Changed));
    for (body, code) in [
        (r#"{"Value":"red"}"#, "MissingRequiredParameter"),
        (r#"{"Value":"red","Action":"add"}"#, "InvalidInput"),
        (r#"{"value":"red","Action":"Add"}"#, "InvalidRequestBody"),
    ] {
        assert_eq!(driver.post(&path, body).await.code(), code, "{body}");
    }
}

#[tokio::test]
async fn many_machines_are_tagged_at_once_or_none() {
    let driver = Driver::start().await;
    let path = "/api/machines/AddOrRemoveTagForMultipleMachines";
    let body = |ids: &[&str]| json!({"Value": "t", "Action": "Add", "MachineIds": ids}).to_string();
    let response = driver.post(path, &body(&[MACHINE, "nobody"])).await;
    assert_eq!(response.status, 404);
    assert_eq!(driver.get("/api/machines/findbytag?tag=t").await.json()["value"], json!([]));
    let response = driver.post(path, &body(&[MACHINE, OTHER])).await.json();
    assert_eq!(names(&response).len(), 2);
    assert_eq!(driver.post(path, &body(&vec![MACHINE; 501])).await.code(), "MaximumBatchSizeExceeded");
    assert_eq!(driver.post(path, &body(&[])).await.code(), "MissingRequiredParameter");
}

#[tokio::test]
async fn a_value_is_set_and_a_machine_is_updated() {
    let driver = Driver::start().await;
    let response = driver.post(&format!("/api/machines/{MACHINE}/setDeviceValue"), r#"{"DeviceValue":"High"}"#).await;
    assert_eq!((response.status.as_u16(), &response.json()["deviceValue"]), (200, &json!("High")));
    let wrong = driver.post(&format!("/api/machines/{MACHINE}/setDeviceValue"), r#"{"DeviceValue":"Top"}"#).await;
    assert_eq!(wrong.code(), "InvalidInput");

    let token = driver.token().await;
    let patch = |body: &str| {
        let mut request = driver.request_to_post(&format!("/api/machines/{MACHINE}"), &token, body);
        *request.method_mut() = http::Method::PATCH;
        request
    };
    let changed = driver.send(patch(r#"{"machineTags":["a","b"],"deviceValue":"Low"}"#)).await.json();
    assert_eq!((&changed["machineTags"], &changed["deviceValue"]), (&json!(["a", "b"]), &json!("Low")));
    let changed = driver.send(patch(r#"{"deviceValue":"Normal"}"#)).await.json();
    assert_eq!((&changed["machineTags"], &changed["deviceValue"]), (&json!(["a", "b"]), &json!("Normal")));
    assert_eq!(driver.send(patch(r#"{"MachineTags":[]}"#)).await.code(), "InvalidRequestBody");
    assert_eq!(driver.emulator.ledger().last().unwrap().method, "PATCH");
}

#[tokio::test]
async fn a_record_follows_the_machine() {
    let driver = Driver::start().await;
    driver.emulator.machine_offline(OTHER);
    driver.act("offboard", r#"{"Comment":"c"}"#).await;
    driver.clock.advance(Duration::from_secs(8 * 24 * 3_600));
    let left = driver.get(&format!("/api/machines/{MACHINE}")).await.json();
    assert_eq!(left["onboardingStatus"], "CanBeOnboarded");
    assert_eq!(left["lastSeen"], "2026-01-09T12:00:00.0000000Z");
    let away = driver.get(&format!("/api/machines/{OTHER}")).await.json();
    assert_eq!(away["onboardingStatus"], "Onboarded");
    assert_eq!(away["healthStatus"], "Inactive");
    assert_eq!(away["lastSeen"], "2026-01-01T12:00:00.0000000Z");
}
