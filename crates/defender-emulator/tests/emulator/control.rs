//! Orders and questions of another process.

use defender_emulator::Emulator;
use serde_json::json;

use crate::{driver::MACHINE, here::Here};

fn here() -> Here {
    Here::with(defender_emulator::EmulatorBuilder::control_over_http)
}

fn isolate(here: &Here) -> Option<u16> {
    let path = format!("/api/machines/{MACHINE}/isolate");
    here.send("POST", &path, "application/json", r#"{"Comment":"c"}"#)?.ok().map(|came| came.status)
}

#[test]
fn fault_is_armed_and_disarmed_over_http() {
    let here = here();
    let order = r#"{"fault":"ResetAfterEffect","on":"Isolate","times":1}"#;
    assert_eq!(here.post("/emulator/faults", order).status, 201);
    assert_eq!(isolate(&here), None);
    assert_eq!(isolate(&here), Some(400));
    let ledger = here.get("/emulator/ledger").body;
    let entries = ledger["entries"].as_array().unwrap();
    let told = entries.iter().map(|entry| (entry["status"].clone(), entry["effect"].clone())).collect::<Vec<_>>();
    assert_eq!(told, [(json!(0), json!("Created")), (json!(400), json!("None"))]);
    let made = &here.get("/api/machineactions").body["value"][0]["id"];
    assert_eq!((&entries[0]["actionId"], &ledger["next"]), (made, &json!(2)));
    assert_eq!(here.get("/emulator/ledger?from=1").body["entries"].as_array().unwrap().len(), 1);
    assert_eq!(here.get("/emulator/ledger?from=99").body["entries"], json!([]));
    assert!(!ledger.to_string().contains(&here.token), "no token");

    here.post("/emulator/faults", r#"{"fault":"Status","status":503,"retryAfter":7}"#);
    let refused = here.get("/api/machines");
    assert_eq!((refused.status, refused.headers["retry-after"].to_str().unwrap()), (503, "7"));
    assert_eq!(here.get("/emulator/ledger").status, 200, "no fault touches what tells them");
    let gone = here.send("DELETE", "/emulator/faults", "", "").unwrap().unwrap();
    assert_eq!((gone.status, here.get("/api/machines").status), (200, 200));
}

#[test]
fn orders_without_a_meaning_are_refused() {
    let here = here();
    for (path, order, named) in [
        ("faults", r#"{"fault":"Hang","times":0}"#, "times is 1 or more"),
        ("outcomes", r#"{"outcome":"Failed","times":0}"#, "times is 1 or more"),
        ("faults", r#"["Hang"]"#, "expected an object, not a list"),
        ("clock", " [3]", "expected an object, not a list"),
    ] {
        let refused = here.post(&format!("/emulator/{path}"), order);
        assert_eq!((refused.status, refused.body["error"].as_str()), (400, Some(named)), "{order}");
    }
    for path in ["ledger", "log"] {
        let refused = here.get(&format!("/emulator/{path}?from=first"));
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(refused.body["error"].as_str().unwrap().contains("and not first"), "{}", refused.body);
    }
}

#[test]
fn oversized_order_has_no_effect() {
    let here = here();
    isolate(&here);
    let refused = here.post("/emulator/reset", &" ".repeat(17 << 20));
    assert_eq!((refused.status, here.emulator.ledger().len()), (413, 1), "{}", refused.body);
}

#[test]
fn head_is_answered_as_get_everywhere() {
    let here = here();
    let tenant = here.emulator.tenant_id();
    let identities = format!("/{tenant}/v2.0/.well-known/openid-configuration");
    for path in ["/emulator/health", "/api/machines", &identities] {
        let came = here.send("HEAD", path, "", "").unwrap().unwrap();
        assert_eq!(came.status, here.get(path).status, "{path}");
        assert_eq!(came.status, 200, "{path}");
    }
}

#[test]
fn an_outcome_and_a_machine_s_absence_are_told() {
    let here = here();
    let order = r#"{"outcome":"Failed","errorHResult":-9,"type":"Isolate","times":1}"#;
    assert_eq!(here.post("/emulator/outcomes", order).status, 201);
    isolate(&here);
    here.clock.advance(std::time::Duration::from_secs(3));
    let failed = &here.get("/api/machineactions").body["value"][0];
    assert_eq!((&failed["status"], &failed["errorHResult"]), (&json!("Failed"), &json!(-9)));
    isolate(&here);
    here.clock.advance(std::time::Duration::from_secs(3));
    let machine = format!("/emulator/machines/{MACHINE}");
    let state = json!({"restricted": false, "isolation": "Full", "onboarded": true, "online": true});
    assert_eq!(here.get(&machine).body, state);
    assert_eq!(here.post(&machine, r#"{"online":false}"#).body["online"], false);
    here.post(&format!("/api/machines/{MACHINE}/unisolate"), r#"{"Comment":"c"}"#);
    here.clock.advance(std::time::Duration::from_secs(3));
    assert_eq!(here.get("/api/machineactions").body["value"][0]["status"], "Pending");
    assert_eq!(here.get("/emulator/machines/nobody").status, 404);
}

#[test]
fn only_a_manual_clock_is_advanced() {
    let emulator = Emulator::builder().clock_over_http().in_process().unwrap();
    let here = Here { emulator, clock: defender_transport::testing::ManualClock::new(), token: String::new() };
    let before: jiff::Timestamp = here.get("/emulator/clock").body["now"].as_str().unwrap().parse().unwrap();
    let turned = here.post("/emulator/clock", r#"{"advanceSeconds":259200.5}"#);
    assert_eq!((turned.status, &turned.body["elapsedSeconds"]), (200, &json!(259_200.5)));
    let after: jiff::Timestamp = here.get("/emulator/clock").body["now"].as_str().unwrap().parse().unwrap();
    assert_eq!(after.duration_since(before).as_millis(), 259_200_500);
    assert_eq!(here.post("/emulator/clock", r#"{"advanceSeconds":-1}"#).status, 400);
    let refused = self::here().post("/emulator/clock", r#"{"advanceSeconds":1}"#);
    assert_eq!(refused.status, 409);
    assert!(refused.body["error"].as_str().unwrap().contains("--manual-clock"));
}

#[test]
fn what_cannot_be_told_is_refused_with_a_reason() {
    let here = here();
    for (method, path, kind, body, status, named) in [
        ("POST", "/emulator/faults", "text/plain", r#"{"fault":"Hang"}"#, 415, "Content-Type"),
        ("POST", "/emulator/faults", "application/json", "{", 400, "EOF"),
        ("POST", "/emulator/faults", "application/json", r#"{"fault":"Fire"}"#, 400, "unknown fault Fire"),
        ("POST", "/emulator/outcomes", "application/json", r#"{"outcome":"Odd"}"#, 400, "TimeOut"),
        ("POST", "/emulator/outcomes", "application/json", r#"{"outcome":"Failed","type":"Isolat"}"#, 400, "StopAndQ"),
        ("POST", "/emulator/outcomes", "application/json", r#"{"outcome":"Failed","machineId":"x"}"#, 400, "machine x"),
        (
            "POST",
            "/emulator/faults",
            "application/json",
            r#"{"fault":"Hang","machineId":"x"}"#,
            400,
            "unknown machine x",
        ),
        ("POST", "/emulator/deviceCodes", "application/json", r#"{"userCode":"ABC"}"#, 404, "ABC"),
        ("POST", "/emulator/certificates", "application/json", r#"{"certificate":"x"}"#, 400, "PEM"),
        ("POST", "/emulator/state", "application/json", r#"{"actions":[{}]}"#, 400, "actions[0]"),
        ("DELETE", "/emulator/machines", "", "", 404, "DELETE"),
        ("POST", "/emulator/machines/nobody", "application/json", r#"{"online":true}"#, 404, "nobody"),
        ("GET", "/emulator/secrets", "", "", 404, "/emulator/secrets"),
        ("PUT", "/emulator/ledger", "", "", 404, "PUT"),
    ] {
        let came = here.send(method, path, kind, body).unwrap().unwrap();
        assert_eq!(came.status, status, "{path}: {came:?}");
        assert!(came.body["error"].as_str().unwrap().contains(named), "{path}: {came:?}");
    }
    assert_eq!(here.emulator.ledger(), [], "what is told is nothing that the service received");
}

#[test]
fn control_over_http_is_off_by_default() {
    let here = Here::with(|builder| builder);
    assert_eq!(here.post("/emulator/faults", r#"{"fault":"Hang"}"#).status, 404);
    assert_eq!(here.get("/api/machines").status, 200);
}
