//! Switches for what the service has been seen to do in one way and another, and what it did once.

use std::time::Duration;

use bytes::Bytes;
use defender_emulator::{Deflate, EmulatorBuilder, InOperator, Investigations, JsonStyle, Outcome, Transcripts};
use defender_transport::Transport;
use http_body::Body;
use serde_json::json;

use crate::{
    driver::MACHINE,
    here::{Here, ready},
};

const COMMENT: &str = r#"{"Comment":"c"}"#;
const SCRIPT_AND_FILE: &str = r#"{"Commands":[
    {"type":"RunScript","params":[{"key":"ScriptName","value":"a.ps1"}]},
    {"type":"GetFile","params":[{"key":"Path","value":"C:\\a\u0000b"}]}]}"#;

/// With the script of the session in the library.
fn with_files(builder: EmulatorBuilder) -> EmulatorBuilder {
    builder.library_file("a.ps1", "Get-Date")
}

fn path(segment: &str) -> String {
    format!("/api/machines/{MACHINE}/{segment}")
}

#[test]
fn an_investigation_is_no_more_unless_it_is_again() {
    let here = Here::with(|builder| builder);
    let gone = here.post(&path("startInvestigation"), COMMENT);
    assert_eq!((gone.status, &gone.body["error"]["code"]), (404, &json!("")));
    let here = Here::with(|builder| builder.investigations(Investigations::Available));
    let started = here.post(&path("startInvestigation"), COMMENT);
    assert_eq!((started.status, &started.body["state"]), (201, &json!("Running")));
    assert_eq!((&started.body["id"], &started.body["machineId"]), (&json!("1"), &json!(MACHINE)));
    assert_eq!(here.post(&path("startInvestigation"), "{}").status, 400);
    assert_eq!(here.post("/api/machines/nobody/startInvestigation", COMMENT).status, 404);
    for _ in 3..49 {
        here.clock.advance(Duration::from_secs(60));
        here.post(&path("startInvestigation"), COMMENT);
    }
    assert_eq!(here.post(&path("startInvestigation"), COMMENT).status, 201);
    let refused = here.post(&path("startInvestigation"), COMMENT);
    assert_eq!(refused.status, 429, "fifty in an hour");
}

#[test]
fn in_is_refused_unless_it_is_switched_on() {
    let query = "/api/machines?$filter=id%20in%20('1e5bc9d7e413ddd7902c2932e418702b84d0cc07','x')";
    let refused = Here::with(|builder| builder).get(query);
    assert_eq!((refused.status, &refused.body["error"]["code"]), (400, &json!("")));
    let here = Here::with(|builder| builder.in_operator(InOperator::Understood));
    assert_eq!(here.get(query).body["value"].as_array().unwrap().len(), 1);
    let made = here.post(&path("isolate"), COMMENT).body["id"].as_str().unwrap().to_owned();
    here.post(&path("offboard"), COMMENT);
    let page = here.get(&format!("/api/machineactions?$filter=id%20in%20('{made}')")).body;
    assert_eq!((page["value"].as_array().unwrap().len(), &page["value"][0]["id"]), (1, &json!(made)));
}

#[test]
fn a_transcript_may_come_in_gzip() {
    for (form, magic) in [(Transcripts::Plain, &b"{\""[..]), (Transcripts::Gzip, b"\x1f\x8b")] {
        let here = Here::with(|builder| with_files(builder).transcripts(form));
        let session = here.post(&path("runliveresponse"), SCRIPT_AND_FILE).body;
        here.clock.advance(Duration::from_secs(3));
        let id = session["id"].as_str().unwrap();
        let link = |index: usize| {
            let path = format!("/api/machineactions/{id}/GetLiveResponseResultDownloadLink(index={index})");
            here.get(here.get(&path).body["value"].as_str().unwrap())
        };
        assert!(link(0).raw.starts_with(magic), "{form:?}");
        // The file's name is inside, and a NUL in it does no harm.
        assert!(link(1).raw.windows(3).any(|window| window == b"ab\0"), "{form:?}");
    }
}

#[test]
fn first_update_time_may_be_null() {
    let here = Here::with(|builder| builder.json_style(JsonStyle { null_first_update: true, ..JsonStyle::default() }));
    let made = here.post(&path("isolate"), COMMENT).body;
    assert_eq!(made["lastUpdateDateTimeUtc"], json!(null));
    let read = here.action(made["id"].as_str().unwrap());
    assert_eq!(read["lastUpdateDateTimeUtc"], "2026-01-01T12:00:00.0000000Z");
}

#[test]
fn cancelled_session_keeps_completed_commands() {
    let here = Here::with(|builder| with_files(builder).running_for(Duration::from_secs(10)));
    let session = here.post(&path("runliveresponse"), SCRIPT_AND_FILE).body;
    here.clock.advance(Duration::from_secs(7)); // The script took five after the first.
    let cancelled = here.post(&format!("/api/machineactions/{}/cancel", session["id"].as_str().unwrap()), "{}").body;
    let statuses = |action: &serde_json::Value| {
        [0, 1].map(|index| action["commands"][index]["commandStatus"].as_str().unwrap().to_owned())
    };
    assert_eq!(cancelled["status"], "Cancelled");
    assert_eq!(statuses(&cancelled), ["Completed", "Created"]);
    here.clock.advance(Duration::from_secs(60));
    let later = here.action(session["id"].as_str().unwrap());
    assert_eq!(statuses(&later), ["Completed", "Created"]);
    assert_eq!(later["commands"][1]["endTime"], json!(null));

    here.emulator.outcome(Outcome::Cancelled).of_type("LiveResponse").times(1);
    let session = here.post(&path("runliveresponse"), SCRIPT_AND_FILE).body;
    here.clock.advance(Duration::from_secs(11));
    let ended = here.action(session["id"].as_str().unwrap());
    assert_eq!(ended["status"], "Cancelled");
    assert_eq!(statuses(&ended), ["Completed", "Completed"], "though nobody asked, and though it did all");
}

#[test]
fn token_for_another_resource_is_forbidden() {
    for (resource, status) in [
        ("https://api.securitycenter.microsoft.com", 200),
        ("https://securitycenter.onmicrosoft.com/windowsatpservice", 200),
        ("https://api.securitycenter.windows.com", 200),
        ("https://api.security.microsoft.com", 403),
        ("https://graph.microsoft.com", 403),
    ] {
        let mut here = Here::with(|builder| builder);
        here.token = here.token_for(resource).body["access_token"].as_str().unwrap().to_owned();
        assert_eq!(here.get("/api/machines").status, status, "{resource}");
    }
}

#[test]
fn an_application_signs_in_to_its_own_tenant_alone() {
    let here = Here::with(|builder| builder);
    let form = format!("grant_type=client_credentials&client_id={}", here.emulator.client_id());
    for (tenant, number) in [
        ("common", 50_194),
        ("organizations", 50_194),
        ("not%20one", 900_023),
        ("00000000-0000-0000-0000-000000000000", 90_002),
    ] {
        let path = format!("/{tenant}/oauth2/v2.0/token");
        let came = here.send("POST", &path, "application/x-www-form-urlencoded", &form).unwrap().unwrap();
        assert_eq!((came.status, &came.body["error_codes"][0]), (400, &json!(number)), "{tenant}");
    }
}

#[test]
fn order_by_last_change_is_stable() {
    let here = Here::with(|builder| builder.history(30_000).page_size(10_000));
    here.post(&path("isolate"), COMMENT);
    here.clock.advance(Duration::from_secs(1));
    here.post(&path("offboard"), COMMENT);
    let ids = |query: &str| {
        let page = here.get(&format!("/api/machineactions?{query}")).body;
        let rows = page["value"].as_array().unwrap();
        rows.iter().map(|row| row["lastUpdateDateTimeUtc"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let newest = ids("$orderby=lastUpdateDateTimeUtc%20desc&$top=5");
    assert_eq!(newest[..2], ["2026-01-01T12:00:01.0000000Z"; 2], "one has begun, and one was made");
    assert!(newest.is_sorted_by(|one, other| one >= other) && newest.len() == 5, "{newest:?}");
    let oldest = ids("$orderby=lastUpdateDateTimeUtc%20asc&$top=5");
    assert!(oldest.is_sorted() && oldest.last() < newest.last(), "{oldest:?}");
    let filter = "$filter=lastUpdateDateTimeUtc%20gt%202026-01-01T11:59:58Z%20and%20type%20ne%20'Offboard'";
    let some = ids(&format!("{filter}&$orderby=lastUpdateDateTimeUtc%20asc"));
    // Of a short list by a machine, the same order is made by sorting.
    let sorted = ids(&format!("{filter}%20and%20machineId%20eq%20'{MACHINE}'&$orderby=lastUpdateDateTimeUtc%20asc"));
    assert_eq!(some, ["2026-01-01T11:59:59.0000000Z", "2026-01-01T12:00:01.0000000Z"]);
    assert!(sorted.iter().all(|time| some.contains(time)) && !sorted.is_empty());
}

#[test]
fn a_target_may_be_no_guid() {
    let here = Here::with(|builder| builder.json_style(JsonStyle { opaque_targets: true, ..JsonStyle::default() }));
    let target = here.get("/api/machines/nobody").body["error"]["target"].as_str().unwrap().to_owned();
    assert!(target.starts_with("|3") && target.len() == 7, "{target}");
    assert_eq!(here.get("/api/machines?$stop=1").body["error"].get("target"), None, "a query's error has none");
}

#[test]
fn compressed_response_has_no_content_length() {
    for (deflate, length) in [(Deflate::Off, true), (Deflate::Zlib, false), (Deflate::Raw, false)] {
        let here = Here::with(|builder| builder.deflate(deflate));
        let request = http::Request::get(format!("{}/api/machines", here.emulator.base_url()));
        let request = request.header("Authorization", format!("Bearer {}", here.token)).body(Bytes::new()).unwrap();
        let response = ready(here.emulator.transport().send(request)).unwrap().unwrap();
        // Of which HTTP/1.1 makes chunks.
        assert!(!response.headers().contains_key("content-length"));
        assert_eq!(response.body().size_hint().exact().is_some(), length, "{deflate:?}");
    }
}
