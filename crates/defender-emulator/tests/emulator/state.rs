//! The initial state of an emulator.

use std::time::Duration;

use defender_emulator::{Emulator, State};
use serde_json::json;

use crate::{driver::MACHINE, here::Here};

const STATE: &str = include_str!("state.json");

fn here() -> Here {
    let state = State::from_json(STATE).unwrap();
    // The clock goes on for days.
    Here::with(|builder| builder.state(state).token_lifetime(Duration::from_secs(1 << 30)))
}

#[test]
fn seeded_machine_has_its_fields_and_defaults() {
    let here = here();
    assert_eq!(here.emulator.machine_ids().len(), 3, "the built-in ones are gone");
    let told: serde_json::Value = serde_json::from_str(STATE).unwrap();
    let machine = here.get("/api/machines/dc9e8e5c2f4b4a6d8f1e0a9b7c6d5e4f3a2b1c0d").body;
    for (name, value) in told["machines"][1].as_object().unwrap() {
        // What is not the service's, and dates that are written with all their digits.
        if !["offline", "firstSeen", "lastSeen"].contains(&name.as_str()) {
            assert_eq!(&machine[name], value, "{name}");
        }
    }
    assert_eq!(machine["firstSeen"], "2024-03-01T08:00:00.5000000Z");
    assert_eq!(machine["lastSeen"], "2025-12-31T23:00:00.0000000Z");
    assert_eq!(machine.as_object().unwrap().len(), 33, "every field that captures have, and the context");
    let short = here.get(&format!("/api/machines/{MACHINE}")).body;
    assert_eq!((&short["osPlatform"], &short["computerDnsName"]), (&json!("Windows10"), &json!(null)));
    assert_eq!(short["ipAddresses"][0]["ipAddress"], short["lastIpAddress"]);
}

/// Of two that overlapped, the one that ended later.
#[test]
fn last_success_of_the_state_decides() {
    let action = |kind: &str, created: &str, updated: &str| {
        json!({"type": kind, "machineId": MACHINE, "status": "Succeeded", "scope": "Full",
            "creationDateTimeUtc": created, "lastUpdateDateTimeUtc": updated})
    };
    let state = json!({
        "machines": [{"id": MACHINE, "osPlatform": "Windows11"}],
        "actions": [
            action("Isolate", "2025-12-01T10:00:00Z", "2025-12-01T12:00:00Z"),
            action("Unisolate", "2025-12-01T11:00:00Z", "2025-12-01T11:05:00Z"),
        ],
    });
    let here = Here::with(|builder| builder.state(State::from_json(&state.to_string()).unwrap()));
    assert_eq!(here.emulator.machine(MACHINE).unwrap().isolation.as_deref(), Some("Full"));
}

#[test]
fn what_was_told_of_machines_can_be_asked_for() {
    let here = here();
    for (filter, count) in [
        ("riskScore%20eq%20null", 1),
        ("rbacGroupId%20eq%200", 1),
        ("healthStatus%20eq%20'ImpairedCommunication'", 1),
        ("onboardingStatus%20eq%20'CanBeOnboarded'", 1),
        ("startswith(computerDnsName,'Max%20M')", 1),
        ("machineTags/any(t:%20t%20eq%20'Kiosk')", 1),
        ("lastSeen%20lt%202026-01-01Z", 1),
    ] {
        let page = here.get(&format!("/api/machines?$filter={filter}")).body;
        assert_eq!(page["value"].as_array().unwrap().len(), count, "{filter}: {page}");
    }
    let found = here.get("/api/machines/findbyip(ip='2001:db8::7',timestamp=2025-12-31T23:10:00Z)").body;
    assert_eq!(found["value"][0]["id"], "dc9e8e5c2f4b4a6d8f1e0a9b7c6d5e4f3a2b1c0d");
}

#[test]
fn seeded_action_continues_from_its_status() {
    let here = here();
    let page = here.get("/api/machineactions").body;
    let ids: Vec<_> = page["value"].as_array().unwrap().iter().map(|row| row["title"].as_str().unwrap()).collect();
    assert_eq!(ids, ["waits", "runs", "odd", "cancelled", "session", "over"], "newest first, whatever their order was");
    let row = |title: &str| {
        let page = here.get("/api/machineactions").body;
        page["value"].as_array().unwrap().iter().find(|row| row["title"] == title).unwrap().clone()
    };
    let over = row("over");
    assert_eq!((&over["status"], &over["errorHResult"]), (&json!("TimeOut"), &json!(-2_145_844_840)));
    assert_eq!(over["lastUpdateDateTimeUtc"], "2025-12-04T10:14:00.0000000Z");
    assert_eq!(over["requestSource"], "Portal");
    assert_eq!(over["requestor"], "analyst@contoso.example ");
    assert_eq!(over["relatedFileInfo"]["fileIdentifierType"], "Sha256");
    assert_eq!(over["type"], "RequestSample", "a type that cannot be asked for");
    assert_eq!(row("odd")["status"], "Quarantined");
    let cancelled = row("cancelled");
    assert_eq!(cancelled["cancellationDateTimeUtc"], "2025-12-20T08:00:00.7696000Z");
    assert_eq!(cancelled["lastUpdateDateTimeUtc"], "2025-12-20T08:00:00.7697000Z");
    assert_eq!((&row("runs")["status"], &row("waits")["status"]), (&json!("InProgress"), &json!("Pending")));

    here.clock.advance(Duration::from_secs(2));
    assert_eq!((&row("runs")["status"], &row("runs")["errorHResult"]), (&json!("Failed"), &json!(-5)));
    assert_eq!(row("runs")["lastUpdateDateTimeUtc"], "2026-01-01T12:00:02.0000000Z");
    // Its machine is offline, and it was made a day before the start.
    assert_eq!(row("waits")["status"], "Pending");
    here.clock.advance(Duration::from_secs(2 * 24 * 3_600 - 3));
    assert_eq!(row("waits")["status"], "Pending");
    here.clock.advance(Duration::from_secs(1));
    assert_eq!(row("waits")["status"], "TimeOut");
    assert_eq!(row("odd")["status"], "Quarantined", "nothing is known of it, so that it stays");
}

#[test]
fn seeded_commands_lead_to_their_results() {
    let here = here();
    let page = here.get("/api/machineactions?$filter=type%20eq%20'LiveResponse'").body;
    let session = &page["value"][0];
    assert_eq!(session["commands"][0]["commandStatus"], "Completed");
    assert_eq!(session["commands"][0]["endTime"], "2025-12-10T09:00:20.0000000Z");
    assert_eq!(session["commands"][1]["commandStatus"], "Failed");
    assert_eq!(session["commands"][1]["errors"], json!(["file not found"]));
    let id = session["id"].as_str().unwrap();
    let link = |index| here.get(&format!("/api/machineactions/{id}/GetLiveResponseResultDownloadLink(index={index})"));
    assert_eq!((link(0).status, link(1).status), (200, 404));
    let transcript = here.get(link(0).body["value"].as_str().unwrap());
    assert_eq!(transcript.body["script_name"], "collect.ps1");
}

#[test]
fn a_file_of_the_library_is_there() {
    let here = here();
    let files = here.get("/api/libraryfiles").body;
    let file = &files["value"][0];
    assert_eq!((&file["fileName"], &file["hasParameters"]), (&json!("collect.ps1"), &json!(true)));
    assert_eq!(file["sha256"], "b22ffb0a3b141dda48297c9ae0400c863ec75128f519e0458695a3e4ec324f87");
    assert_eq!(file["creationTime"], "2025-11-01T00:00:00.0000000Z");
    assert_eq!(here.send("DELETE", "/api/libraryfiles/collect.ps1", "", "").unwrap().unwrap().status, 204);
}

#[test]
fn what_was_told_is_there_at_once_whatever_lags() {
    let state = State::from_json(STATE).unwrap();
    let here = Here::with(|builder| builder.state(state).read_lag(Duration::from_secs(60)).history(2));
    assert_eq!(here.get("/api/machineactions/$count").raw, "8");
}

#[test]
fn a_state_that_cannot_be_says_where_and_why() {
    for (text, place, why) in [
        ("", "", "EOF"),
        ("[]", "", "not a list"),
        ("7", "", "invalid type"),
        ("{} {}", "", "trailing"),
        (r#"{"machine": []}"#, "", "unknown field `machine`"),
        (r#"{"machines": [{}]}"#, "machines[0].id", "must have one"),
        (r#"{"machines": [{"id": "a"}, {"id": "a"}]}"#, "machines[1].id", "twice"),
        (r#"{"machines": [{"id": "a", "osBuild": "19045"}]}"#, "machines[0].osBuild", "invalid type: string"),
        (r#"{"machines": [{"id": "a", "lastSeen": "yesterday"}]}"#, "machines[0].lastSeen", "is not a date"),
        (r#"{"machines": [{"id": "a", "tags": []}]}"#, "machines[0]", "unknown field `tags`"),
        (r#"{"actions": [{"type": "Isolate"}]}"#, "actions[0]", "missing field `machineId`"),
        (
            r#"{"actions": [{"type": "Isolate", "machineId": "nobody"}]}"#,
            "actions[0].machineId",
            "unknown machine nobody",
        ),
        (r#"{"actions": [{"type": "Isolate", "machineId": "x", "id": "7"}]}"#, "actions[0].id", "7 is not a GUID"),
        (
            r#"{"actions": [{"type": "Isolate", "machineId": "x", "outcome": "Odd"}]}"#,
            "actions[0].outcome",
            "unknown variant",
        ),
        (r#"{"libraryFiles": [{"fileName": "a"}, {"fileName": "a"}]}"#, "libraryFiles[1].fileName", "twice"),
        (
            r#"{"actions": [{"type": "LiveResponse", "machineId": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
                "commands": [{"command": {"type": "Format", "params": []}}]}]}"#,
            "actions[0].commands[0].command",
            "PutFile, RunScript or GetFile",
        ),
    ] {
        let error = State::from_json(text).unwrap_err().to_string();
        assert!(error.contains(place) && error.contains(why), "{text}: {error}");
    }
    let path = format!("{}/no-such-state.json", env!("CARGO_TARGET_TMPDIR"));
    let error = State::from_file(&path).unwrap_err().to_string();
    assert!(error.contains(&path) && error.contains("No such file"), "{error}");
    let future = format!(
        r#"{{"actions": [{{"type": "Isolate", "machineId": "{MACHINE}", "creationDateTimeUtc": "2999-01-01T00:00:00Z"}}]}}"#
    );
    let error = Emulator::builder().state(State::from_json(&future).unwrap()).in_process().unwrap_err().to_string();
    assert!(error.contains("actions[0].creationDateTimeUtc: it is later than the emulator's clock"), "{error}");
}
