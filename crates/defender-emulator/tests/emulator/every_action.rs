//! Each action by its own page.

use defender_emulator::{Particulars, Quotas};
use serde_json::json;

use crate::driver::{Driver, MACHINE};

const COMMENT: &str = r#"{"Comment":"c"}"#;
const SESSION: &str = r#"{"Commands":[
    {"type":"PutFile","params":[{"key":"FileName","value":"tool.exe"}]},
    {"type":"RunScript","params":[{"key":"ScriptName","value":"a.ps1"},{"key":"Args","value":"-x"}]},
    {"type":"GetFile","params":[{"key":"Path","value":"C:\\out.txt"}]}],"Comment":"Triage"}"#;

/// Every action with a good body, its role and its record.
fn all() -> Vec<(&'static str, &'static str, &'static str, &'static str, u16)> {
    vec![
        ("restrictCodeExecution", COMMENT, "RestrictCodeExecution", "Machine.RestrictExecution", 201),
        ("unrestrictCodeExecution", COMMENT, "UnrestrictCodeExecution", "Machine.RestrictExecution", 201),
        ("isolate", r#"{"Comment":"c","IsolationType":"Full"}"#, "Isolate", "Machine.Isolate", 201),
        ("unisolate", COMMENT, "Unisolate", "Machine.Isolate", 201),
        ("runAntiVirusScan", r#"{"Comment":"c","ScanType":"Quick"}"#, "RunAntiVirusScan", "Machine.Scan", 201),
        ("offboard", COMMENT, "Offboard", "Machine.Offboard", 200),
        ("collectInvestigationPackage", COMMENT, "CollectInvestigationPackage", "Machine.CollectForensics", 201),
        ("runliveresponse", SESSION, "LiveResponse", "Machine.LiveResponse", 201),
        (
            "StopAndQuarantineFile",
            r#"{"Comment":"c","Sha1":"87662bc3d60e4200ceaf7aae249d1c343f4b83c9"}"#,
            "StopAndQuarantineFile",
            "Machine.StopAndQuarantine",
            201,
        ),
    ]
}

#[tokio::test]
async fn each_is_created_with_its_type_and_status() {
    let driver = Driver::start().await;
    let metadata = String::from_utf8(driver.get("/api/$metadata").await.body.to_vec()).unwrap();
    let actions = metadata.matches("<Action ").count();
    assert_eq!(
        all().len() + 1,
        actions,
        "`all` of this file has a row for each action of a machine; `Cancel` is not one"
    );
    for (segment, body, word, _, status) in all() {
        let response = driver.post(&format!("/api/machines/{MACHINE}/{segment}"), body).await;
        assert_eq!(response.status, status, "{segment}: {response:?}");
        assert_eq!(response.json()["type"], word);
        assert_eq!(response.json()["status"], "Pending");
    }
}

#[tokio::test]
async fn each_takes_its_own_role() {
    for (segment, body, _, role, _) in all() {
        let mut left_out = vec![role];
        if segment == "StopAndQuarantineFile" {
            left_out.extend(["Machine.Read.All", "Machine.ReadWrite.All"]);
        }
        let driver =
            Driver::with(|builder| left_out.iter().fold(builder, |builder, role| builder.without_role(*role))).await;
        let response = driver.post(&format!("/api/machines/{MACHINE}/{segment}"), body).await;
        assert_eq!((response.status.as_u16(), response.code().as_str()), (403, "Forbidden"), "{segment}");
    }
}

#[tokio::test]
async fn the_record_says_what_was_asked_for() {
    let driver = Driver::with(|builder| builder.particulars(Particulars::AtOnce)).await;
    let isolated = driver.act("isolate", r#"{"Comment":"c","IsolationType":"Selective"}"#).await;
    assert_eq!(isolated["scope"], "Selective");
    let scanned = driver.act("runAntiVirusScan", r#"{"Comment":"c","ScanType":"Full"}"#).await;
    assert_eq!(scanned["scope"], "Full");
    let sha1 = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";
    let stopped = driver.act("StopAndQuarantineFile", &format!(r#"{{"Comment":"c","Sha1":"{sha1}"}}"#)).await;
    assert_eq!(stopped["relatedFileInfo"], json!({"fileIdentifier": sha1, "fileIdentifierType": "Sha1"}));
    assert_eq!(stopped["scope"], json!(null));
}

#[tokio::test]
async fn isolation_is_full_by_default() {
    let driver = Driver::start().await;
    let isolated = driver.act("isolate", COMMENT).await;
    driver.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(driver.action(&isolated).await["scope"], "Full");
}

#[tokio::test]
async fn what_an_action_must_be_told_is_checked() {
    let driver = Driver::start().await;
    for (segment, body, code) in [
        ("isolate", r#"{"Comment":"c","IsolationType":"full"}"#, "InvalidInput"),
        ("isolate", r#"{"Comment":"c","isolationType":"Full"}"#, "InvalidRequestBody"),
        ("runAntiVirusScan", COMMENT, "MissingRequiredParameter"),
        ("runAntiVirusScan", r#"{"Comment":"c","ScanType":"Slow"}"#, "InvalidInput"),
        ("StopAndQuarantineFile", COMMENT, "MissingRequiredParameter"),
        ("StopAndQuarantineFile", r#"{"Comment":"c","Sha1":"abc"}"#, "InvalidHashValue"),
        (
            "StopAndQuarantineFile",
            r#"{"Comment":"c","Sha1":"87662bc3d60e4200ceaf7aae249d1c343f4b83cz"}"#,
            "InvalidHashValue",
        ),
        ("unisolate", r#"{"Comment":"c","IsolationType":"Full"}"#, "InvalidRequestBody"),
        ("offboard", "", "InvalidRequestBody"),
    ] {
        let response = driver.post(&format!("/api/machines/{MACHINE}/{segment}"), body).await;
        assert_eq!((response.status.as_u16(), response.code().as_str()), (400, code), "{segment} {body}");
    }
}

#[tokio::test]
async fn commands_are_checked_by_type_keys_and_order() {
    let driver = Driver::with(|builder| builder.quotas(Quotas::Off)).await;
    let put = r#"{"type":"PutFile","params":[{"key":"FileName","value":"t"}]}"#;
    let get = r#"{"type":"GetFile","params":[{"key":"Path","value":"p"}]}"#;
    for (commands, code) in [
        ("[]".to_owned(), "MissingRequiredParameter"),
        ("{}".to_owned(), "InvalidRequestBody"),
        ("[1]".to_owned(), "InvalidRequestBody"),
        (format!("[{get},{put}]"), "InvalidInput"),
        (format!("[{}]", put.replace("PutFile", "DropFile")), "InvalidInput"),
        (format!("[{}]", put.replace("FileName", "Path")), "InvalidInput"),
        (format!("[{}]", put.replace("\"type\"", "\"Type\"")), "InvalidRequestBody"),
        (r#"[{"type":"RunScript","params":[{"key":"Args","value":"x"}]}]"#.to_owned(), "MissingRequiredParameter"),
        (r#"[{"type":"GetFile"}]"#.to_owned(), "MissingRequiredParameter"),
        (r#"[{"params":[]}]"#.to_owned(), "MissingRequiredParameter"),
    ] {
        let body = format!(r#"{{"Comment":"c","Commands":{commands}}}"#);
        let response = driver.post(&format!("/api/machines/{MACHINE}/runliveresponse"), &body).await;
        assert_eq!((response.status.as_u16(), response.code().as_str()), (400, code), "{commands}");
    }
    let body = format!(r#"{{"Commands":[{put},{get},{get}]}}"#);
    let action = driver.act("runliveresponse", &body).await;
    assert_eq!(action["requestorComment"], json!(null), "the comment is not required");
    assert_eq!(action["commands"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_commands_row_is_as_it_was_asked_for() {
    let driver = Driver::start().await;
    let action = driver.act("runliveresponse", SESSION).await;
    let row = json!({
        "index": 1,
        "startTime": null,
        "endTime": null,
        "commandStatus": "Created",
        "errors": [],
        "command": {
            "type": "RunScript",
            "params": [{"key": "ScriptName", "value": "a.ps1"}, {"key": "Args", "value": "-x"}],
        },
    });
    assert_eq!(action["commands"][1], row);
}
