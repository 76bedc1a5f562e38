//! State that a test in another language adds, removes and resets.

use std::time::Duration;

use aws_lc_rs::{encoding::AsDer, rsa::KeyPair, rsa::KeySize, signature::KeyPair as _};
use base64::{Engine, engine::general_purpose::STANDARD};
use defender_emulator::{Emulator, EmulatorBuilder};
use serde_json::{Value, json};

use crate::{
    driver::{MACHINE, encoded},
    here::Here,
};

fn here() -> Here {
    Here::with(EmulatorBuilder::control_over_http)
}

fn isolate(here: &Here, machine: &str) -> Option<Value> {
    let path = format!("/api/machines/{machine}/isolate");
    here.send("POST", &path, "application/json", r#"{"Comment":"c"}"#)?.ok().map(|came| came.body)
}

fn delete(here: &Here, path: &str) {
    let came = here.send("DELETE", path, "", "").unwrap().unwrap();
    assert_eq!(came.status, 200, "{path}: {came:?}");
}

/// One whose clock is turned over HTTP, with a token.
fn turned() -> Here {
    let emulator = Emulator::builder().clock_over_http().in_process().unwrap();
    let here = Here { emulator, clock: defender_transport::testing::ManualClock::new(), token: String::new() };
    let token = here.token_for(here.emulator.audience()).body["access_token"].as_str().unwrap().to_owned();
    Here { token, ..here }
}

#[test]
fn reset_is_as_at_the_start() {
    let here = turned();
    let at_start = here.get("/emulator/clock").body;
    here.post("/emulator/behaviors", r#"{"comments":"null"}"#);
    here.post("/emulator/outcomes", r#"{"outcome":"Failed"}"#);
    here.post("/emulator/state", r#"{"machines":[{"id":"m9"}],"libraryFiles":[{"fileName":"a.ps1"}]}"#);
    let made = isolate(&here, MACHINE).unwrap();
    here.post("/emulator/clock", r#"{"advanceSeconds":600}"#);
    here.post("/emulator/faults", r#"{"fault":"NotFound"}"#);
    assert_eq!(here.get("/api/machines").status, 404);

    assert_eq!(here.post("/emulator/reset", "{}").status, 200);
    assert_eq!(here.get("/emulator/clock").body, at_start);
    assert_eq!(here.get("/emulator/ledger").body["entries"], json!([]));
    assert_eq!(here.get("/emulator/log").body["entries"], json!([]));
    assert_eq!(here.get("/api/machineactions").body["value"], json!([]), "the token is good all the same");
    assert_eq!(here.get("/api/machines").body["value"].as_array().unwrap().len(), 3);
    assert_eq!(here.get("/api/libraryfiles").body["value"], json!([]));
    let again = isolate(&here, MACHINE).unwrap();
    assert_ne!(again["id"], made["id"]);
    assert_eq!(again["requestorComment"], "c ");
    here.post("/emulator/clock", r#"{"advanceSeconds":3}"#);
    assert_eq!(here.action(again["id"].as_str().unwrap())["status"], "Succeeded");
}

#[test]
fn reset_lets_the_same_chance_happen_again() {
    let here = Here::with(|builder| builder.control_over_http().chaotic(7, 0.4));
    let drawn = |here: &Here| -> Vec<String> {
        (0..30)
            .map(|_| {
                format!("{:?}", here.send("GET", "/api/machines", "", "").map(|came| came.map(|came| came.status).ok()))
            })
            .collect()
    };
    here.post("/emulator/reset", "{}");
    let first = drawn(&here);
    here.post("/emulator/reset", "{}");
    assert_eq!(drawn(&here), first);
}

#[test]
fn state_is_added_while_it_runs() {
    let here = here();
    let first = isolate(&here, MACHINE).unwrap();
    let state = json!({
        "machines": [{ "id": "m9", "computerDnsName": "till-9", "offline": true }],
        "actions": [
            { "type": "LogsCollection", "machineId": "m9", "status": "Succeeded", "creationDateTimeUtc": "2025-12-31T00:00:00Z" },
            { "type": "Unisolate", "machineId": MACHINE, "status": "InProgress" },
        ],
        "libraryFiles": [{ "fileName": "a.ps1", "content": "Get-Date" }],
    });
    assert_eq!(here.post("/emulator/state", &state.to_string()).status, 201);
    assert_eq!(here.get("/api/machines/till-9").body["id"], "m9");
    assert_eq!(here.get("/emulator/machines/m9").body["online"], false);
    assert_eq!(here.get("/api/libraryfiles").body["value"][0]["fileName"], "a.ps1");
    let page = here.get("/api/machineactions").body;
    let types: Vec<_> = page["value"].as_array().unwrap().iter().map(|row| row["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["Unisolate", "Isolate", "LogsCollection"], "each where its date belongs");
    assert_eq!(isolate(&here, MACHINE).unwrap()["error"]["code"], "ActiveRequestAlreadyExists");
    here.clock.advance(Duration::from_secs(3));
    assert_eq!(here.action(first["id"].as_str().unwrap())["status"], "Succeeded");

    for (twice, named) in [
        (json!({ "machines": [{ "id": "m9" }] }), "m9 is there twice"),
        (json!({ "actions": [{ "type": "Isolate", "machineId": "m9", "id": first["id"] }] }), "is there twice"),
        (json!({ "actions": [{ "type": "Isolate", "machineId": "m8" }] }), "unknown machine m8"),
    ] {
        let refused = here.post("/emulator/state", &twice.to_string());
        assert!(refused.status == 400 && refused.body["error"].as_str().unwrap().contains(named), "{refused:?}");
    }
}

#[test]
fn added_machine_reports_from_its_addition() {
    const DAY: Duration = Duration::from_secs(24 * 3_600);
    let here = Here::with(|builder| builder.control_over_http().token_lifetime(30 * DAY));
    let seen = |id: &str| {
        let machine = here.get(&format!("/api/machines/{id}")).body;
        [machine["lastSeen"].clone(), machine["healthStatus"].clone()]
    };
    here.clock.advance(8 * DAY);
    here.post("/emulator/state", r#"{"machines":[{"id":"m8"},{"id":"m9","offline":true}]}"#);
    let added = json!("2026-01-09T12:00:00.0000000Z");
    assert_eq!(seen("m8"), [added.clone(), json!("Active")]);
    assert_eq!(seen("m9"), [added.clone(), json!("Active")]);
    here.clock.advance(7 * DAY);
    assert_eq!(seen("m8"), [json!("2026-01-16T12:00:00.0000000Z"), json!("Active")]);
    assert_eq!(seen("m9"), [added, json!("Inactive")]);

    // The given clock goes on after a reset.
    here.post("/emulator/reset", "{}");
    assert_eq!(seen(MACHINE)[0], json!("2026-01-16T12:00:00.0000000Z"));
}

#[test]
fn last_chosen_clock_is_the_one() {
    let clock = defender_transport::testing::ManualClock::new();
    let emulator =
        Emulator::builder().clock_over_http().clock(std::sync::Arc::new(clock.clone())).in_process().unwrap();
    let here = Here { emulator, clock, token: String::new() };
    assert_eq!(here.post("/emulator/clock", r#"{"advanceSeconds":600}"#).status, 409, "it cannot be advanced");
}

#[test]
fn added_success_counts_from_its_date() {
    let here = here();
    isolate(&here, MACHINE);
    here.clock.advance(Duration::from_secs(600));
    let isolation = |body: &str| {
        assert_eq!(here.post("/emulator/state", body).status, 201);
        here.get(&format!("/emulator/machines/{MACHINE}")).body["isolation"].clone()
    };
    let lifted = |date: &str| {
        json!({"actions": [{
            "type": "Unisolate", "machineId": MACHINE, "status": "Succeeded", "creationDateTimeUtc": date,
        }]})
        .to_string()
    };
    assert_eq!(isolation(&lifted("2026-01-01T11:00:00Z")), "Full", "it was lifted before");
    assert_eq!(isolation(&lifted("2026-01-01T12:05:00Z")), json!(null));
}

#[test]
fn waiting_seeded_action_keeps_its_outcome() {
    let here = here();
    let state = json!({
        "machines": [{ "id": "m9", "offline": true }],
        "actions": [
            { "type": "Isolate", "machineId": "m9", "status": "Pending", "outcome": "Failed" },
            { "type": "Offboard", "machineId": "m9", "status": "Pending", "outcome": "TimeOut" },
            { "type": "RestrictCodeExecution", "machineId": "m9", "status": "Pending" },
            { "type": "Unisolate", "machineId": "m9", "status": "InProgress", "outcome": "TimeOut" },
        ],
    });
    assert_eq!(here.post("/emulator/state", &state.to_string()).status, 201);
    here.clock.advance(Duration::from_secs(600));
    here.post("/emulator/machines/m9", r#"{"online":true}"#);
    here.clock.advance(Duration::from_secs(3));
    let page = here.get("/api/machineactions").body;
    let status = |name: &str| {
        page["value"].as_array().unwrap().iter().find(|row| row["type"] == name).unwrap()["status"].clone()
    };
    assert_eq!(
        ["Isolate", "Offboard", "RestrictCodeExecution", "Unisolate"].map(status),
        ["Failed", "Pending", "Succeeded", "Pending"]
    );
}

#[test]
fn ledger_log_and_outcomes_are_emptied() {
    let here = here();
    isolate(&here, MACHINE);
    here.get("/api/machines?$top=1");
    let log = here.get("/emulator/log").body;
    let last = &log["entries"][log["entries"].as_array().unwrap().len() - 1];
    assert_eq!(
        (&last["method"], &last["path"], &last["query"]),
        (&json!("GET"), &json!("/api/machines"), &json!("$top=1"))
    );
    assert!(!log.to_string().contains(&here.token), "no token");
    let next = log["next"].as_u64().unwrap();
    assert_eq!(here.get(&format!("/emulator/log?from={next}")).body["entries"], json!([]));
    here.post("/emulator/outcomes", r#"{"outcome":"Failed"}"#);
    for path in ["/emulator/ledger", "/emulator/log", "/emulator/outcomes"] {
        delete(&here, path);
    }
    assert_eq!(here.get("/emulator/ledger").body["entries"], json!([]));
    assert_eq!(here.get("/emulator/log").body["entries"], json!([]));
    let other = here.emulator.machine_ids()[1].to_owned();
    let made = isolate(&here, &other).unwrap();
    here.clock.advance(Duration::from_secs(3));
    assert_eq!(here.action(made["id"].as_str().unwrap())["status"], "Succeeded");
}

#[test]
fn fault_of_one_machine_is_listed() {
    let here = here();
    let other = here.emulator.machine_ids()[1].to_owned();
    let order = json!({ "fault": "Status", "status": 503, "retryAfter": 7, "machineId": other, "times": 2 });
    assert_eq!(here.post("/emulator/faults", &order.to_string()).status, 201);
    assert_eq!(here.get("/emulator/faults").body, json!({ "faults": [order] }));
    let made = isolate(&here, MACHINE).unwrap();
    assert_eq!(made["status"], "Pending");
    assert_eq!(here.get("/api/machines").status, 200, "a list is about no machine");
    assert_eq!(isolate(&here, &other).unwrap()["error"]["code"], "InternalServerError");
    assert_eq!(here.get("/emulator/faults").body["faults"][0]["times"], 1);
    assert_eq!(here.get(&format!("/api/machines/{other}")).status, 503);
    assert_eq!(here.get("/emulator/faults").body, json!({ "faults": [] }), "it is used up");

    here.emulator.fault(defender_emulator::Fault::NotFound).on_machine(MACHINE);
    assert_eq!(here.get(&format!("/api/machineactions/{}", made["id"].as_str().unwrap())).status, 404);
}

#[test]
fn health_is_told_without_a_token() {
    let here = here();
    let health = here.get("/emulator/health").body;
    assert_eq!((&health["status"], &health["machines"]), (&json!("ok"), &json!(3)));
}

fn pem(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der))
}

#[test]
fn device_code_is_entered_over_http() {
    let here = here();
    let tenant = here.emulator.tenant_id().to_owned();
    let client = here.emulator.client_id();
    let form = format!("client_id={client}&scope={}", encoded(&format!("{}/.default", here.emulator.audience())));
    let kind = "application/x-www-form-urlencoded";
    let begun = here.send("POST", &format!("/{tenant}/oauth2/v2.0/devicecode"), kind, &form).unwrap().unwrap().body;
    let order = json!({ "userCode": begun["user_code"] });
    assert_eq!(here.post("/emulator/deviceCodes", &order.to_string()).status, 200);
    here.clock.advance(Duration::from_secs(5));
    let code = begun["device_code"].as_str().unwrap();
    let form = format!("grant_type=device_code&client_id={client}&device_code={code}");
    let tokens = here.send("POST", &format!("/{tenant}/oauth2/v2.0/token"), kind, &form).unwrap().unwrap();
    assert_eq!(tokens.status, 200, "{tokens:?}");
    assert!(here.get("/emulator/userToken").body["token"].is_string());
}

#[test]
fn federation_is_trusted_over_http() {
    let here = here();
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = key.public_key().as_der().unwrap();
    let order =
        json!({ "issuer": "https://oidc.example", "subject": "s", "publicKey": pem("PUBLIC KEY", der.as_ref()) });
    assert_eq!(here.post("/emulator/federations", &order.to_string()).status, 201);
    let refused = here.post("/emulator/federations", r#"{"issuer":"i","subject":"s","publicKey":"x"}"#);
    assert!(refused.status == 400 && refused.body["error"].as_str().unwrap().contains("PEM"), "{refused:?}");
}
