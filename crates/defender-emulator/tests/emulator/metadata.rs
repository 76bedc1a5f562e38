//! The API as the service's own metadata and other clients have it.

use std::time::Duration;

use defender_emulator::Outcome;
use serde_json::{Value, json};

use crate::{
    driver::{Driver, MACHINE, encoded},
    here::Here,
};

fn path(segment: &str) -> String {
    format!("/api/machines/{MACHINE}/{segment}")
}

#[test]
fn title_and_request_source_are_echoed() {
    let here = Here::with(|builder| builder);
    let body = r#"{"Comment":"c","Title":"t","RequestSource":"Portal","ExternalId":null}"#;
    let made = here.post(&path("isolate"), body).body;
    assert_eq!(json!([made["title"], made["requestSource"], made["externalId"]]), json!(["t", "Portal", null]));
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(here.action(&id)["requestSource"], "Portal");
    let cancel = r#"{"Comment":"c","Title":null,"RequestSource":"PublicApi","ExternalId":"x"}"#;
    assert_eq!(here.post(&format!("/api/machineactions/{id}/cancel"), cancel).status, 200);
    let null = here.post(&path("unisolate"), r#"{"Comment":"c","RequestSource":null}"#);
    assert_eq!((null.status, &null.body["error"]["code"]), (400, &json!("InvalidRequestBody")));
}

#[test]
fn document_names_every_action_and_enum() {
    let here = Here::with(|builder| builder);
    let came = here.get("/api/$metadata");
    assert_eq!((came.status, came.headers["content-type"].to_str().unwrap()), (200, "application/xml"));
    let text = String::from_utf8(came.raw.to_vec()).unwrap();
    for part in [
        "<Action Name=\"Isolate\" IsBound=\"true\">",
        "<Action Name=\"UnrestrictCodeExecution\"",
        "<Action Name=\"Cancel\"",
        "<EnumType Name=\"KnownRequestSource\" UnderlyingType=\"Edm.Byte\"><Member Name=\"Unspecified\" Value=\"0\" />",
        "<Member Name=\"ImmuneActiveDirectoryCustomPlaybook\"",
        "<Property Name=\"errorHResult\" Type=\"Edm.Int32\" Nullable=\"false\" />",
        "Name=\"RequestSource\" Type=\"microsoft.windowsDefenderATP.api.KnownRequestSource\" Nullable=\"false\"",
    ] {
        assert!(text.contains(part), "{part}");
    }
    for part in [
        "<Member Name=\"LiveResponse\" Value=\"23\" />",
        "<EnumType Name=\"RiskScore\" UnderlyingType=\"Edm.Byte\"><Member Name=\"None\" Value=\"0\" /><Member Name=\"Informational\" Value=\"5\" />",
        "<Member Name=\"Created\" Value=\"8\" /></EnumType>",
        "<Action Name=\"OffBoard\" ",
        "<Action Name=\"RunLiveResponse\" ",
        "<Parameter Name=\"Commands\" Type=\"Collection(microsoft.windowsDefenderATP.api.CustomPlaybookCommand)\" />",
        "<Property Name=\"machineTags\" Type=\"Collection(Edm.String)\" />",
    ] {
        assert!(text.contains(part), "{part}");
    }
    for name in text.split("microsoft.windowsDefenderATP.api.").skip(1).filter_map(|rest| rest.split(['"', ')']).next())
    {
        assert!(text.contains(&format!("Type Name=\"{name}\"")), "{name} is declared");
    }
    assert_eq!(text.matches("<EntityType ").count(), text.matches("</EntityType>").count());
    assert_eq!(text.matches("<Action ").count(), 10, "the number of actions on machines, and one for `Cancel`");
}

#[test]
fn actions_of_one_machine_are_listed() {
    let here = Here::with(|builder| builder.page_size(1));
    let other = here.emulator.machine_ids()[1].to_owned();
    let made = here.post(&path("isolate"), r#"{"Comment":"c"}"#).body;
    here.post(&format!("/api/machines/{other}/isolate"), r#"{"Comment":"c"}"#);
    here.post(&path("runAntiVirusScan"), r#"{"Comment":"c","ScanType":"Quick"}"#);
    let page = here.get(&path("machineActions")).body;
    let next = page["@odata.nextLink"].as_str().unwrap().to_owned();
    assert_eq!(page["value"][0]["type"], "RunAntiVirusScan");
    let page = here.get(next.strip_prefix(here.emulator.base_url()).unwrap()).body;
    assert_eq!((&page["value"][0]["id"], page.get("@odata.nextLink")), (&made["id"], None));
    let filtered = here.get(&format!("{}?$filter=type%20eq%20'Isolate'", path("machineActions"))).body;
    assert_eq!(filtered["value"].as_array().unwrap().len(), 1);
    assert_eq!(here.get("/api/machines/nobody/machineActions").status, 404);
}

#[test]
fn only_selected_properties_come() {
    let here = Here::with(|builder| builder);
    here.post(&path("isolate"), r#"{"Comment":"c"}"#);
    let names = |query: &str| -> Vec<String> {
        here.get(query).body["value"][0].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(names("/api/machines?$select=id,computerDnsName"), ["computerDnsName", "id"]);
    assert_eq!(names("/api/machineactions?$select=Status,%20id"), ["id", "status"]);
    assert!(names("/api/machineactions?$select=*").len() == 20);
    let next = Here::with(|builder| builder.page_size(1)).get("/api/machines?$select=id").body;
    assert!(next["@odata.nextLink"].as_str().unwrap().contains("$select=id"), "{next}");
}

#[test]
fn guid_needs_no_quotes_in_a_filter() {
    let here = Here::with(|builder| builder);
    let id = here.post(&path("isolate"), r#"{"Comment":"c"}"#).body["id"].as_str().unwrap().to_owned();
    here.post(&path("offboard"), r#"{"Comment":"c"}"#);
    for filter in [
        format!("id eq {id}"),
        format!("id eq '{id}'"),
        format!("(id eq {}) and type eq 'Isolate'", id.to_uppercase()),
        format!("type eq 'Isolate' and id eq {id}"),
    ] {
        let page = here.get(&format!("/api/machineactions?$filter={}", encoded(&filter)));
        assert_eq!((page.status, &page.body["value"][0]["id"]), (200, &json!(id)), "{filter}: {page:?}");
        assert_eq!(page.body["value"].as_array().unwrap().len(), 1, "{filter}");
    }
    let seen = here.get("/api/machines?$filter=aadDeviceId%20eq%2080fe8ff8-2624-418e-9591-41f0491218f9");
    assert_eq!(seen.status, 200, "{seen:?}");
    for wrong in ["id eq 80fe8ff8-2624-418e-9591-41f0491218f", "id eq 80fe8ff8-2624-418e-9591-41f0491218f99"] {
        assert_eq!(here.get(&format!("/api/machineactions?$filter={}", encoded(wrong))).status, 400, "{wrong}");
    }
}

#[test]
fn byte_order_mark_before_a_body_is_taken() {
    let here = Here::with(|builder| builder);
    assert_eq!(here.post(&path("isolate"), "\u{feff}{\"Comment\":\"c\"}").status, 201);
}

#[test]
fn government_audiences_and_a_chosen_one_are_taken() {
    let here = Here::with(|builder| builder.audience("https://defender.contoso.example"));
    assert_eq!(here.emulator.audience(), "https://defender.contoso.example");
    for audience in [
        "https://defender.contoso.example",
        "https://api.securitycenter.microsoft.com",
        "https://api-gcc.securitycenter.microsoft.us",
        "https://api-gov.securitycenter.microsoft.us",
        "https://securitycenter.onmicrosoft.us",
    ] {
        let token = here.token_for(audience).body["access_token"].as_str().unwrap().to_owned();
        let url = format!("{}/api/machines", here.emulator.base_url());
        let request = http::Request::get(url).header("Authorization", format!("Bearer {token}"));
        let came = crate::here::ready(async {
            use defender_transport::Transport;
            here.emulator.transport().send(request.body(bytes::Bytes::new()).unwrap()).await.unwrap().status()
        });
        assert_eq!(came.unwrap(), 200, "{audience}");
    }
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    for offer in [defender_emulator::AlpnProtocols::Http1, defender_emulator::AlpnProtocols::Http2] {
        let driver = Driver::with(|builder| builder.http(offer)).await;
        let token = driver.token().await;
        let request =
            http::Request::head(driver.url("/api/machines")).header("Authorization", format!("Bearer {token}"));
        let response = driver.send(request.body(bytes::Bytes::new()).unwrap()).await;
        assert_eq!((response.status.as_u16(), response.body.len()), (200, 0), "{offer:?}");
        assert!(response.header("content-length").parse::<usize>().unwrap() > 100, "{offer:?}");
    }
}

fn session(here: &Here, commands: &Value) -> Value {
    let made = here.post(&path("runliveresponse"), &json!({ "Commands": commands, "Comment": "c" }).to_string());
    assert_eq!(made.status, 201, "{made:?}");
    here.clock.advance(Duration::from_secs(3));
    here.action(made.body["id"].as_str().unwrap())
}

#[test]
fn missing_library_file_fails_its_command() {
    let here = Here::with(|builder| builder.library_file("there.ps1", ""));
    let script = |name: &str| json!({ "type": "RunScript", "params": [{ "key": "ScriptName", "value": name }] });
    let get = json!({ "type": "GetFile", "params": [{ "key": "Path", "value": "p" }] });
    let statuses = |action: &Value| -> Vec<String> {
        let commands = action["commands"].as_array().unwrap();
        commands.iter().map(|command| command["commandStatus"].as_str().unwrap().to_owned()).collect()
    };
    let ended = session(&here, &json!([script("there.ps1"), script("gone.ps1"), get]));
    assert_eq!(statuses(&ended), ["Completed", "Failed", "Created"]);
    assert_eq!(ended["status"], "Failed");
    assert!(ended["commands"][1]["errors"][0].as_str().unwrap().contains("gone.ps1"), "{ended}");
    let put = json!({ "type": "PutFile", "params": [{ "key": "FileName", "value": "gone.exe" }] });
    assert_eq!(statuses(&session(&here, &json!([put]))), ["Failed"]);

    // Others have seen a session that succeeded with a command that failed.
    here.emulator.outcome(Outcome::Succeeded).of_type("LiveResponse");
    let ended = session(&here, &json!([script("gone.ps1"), get]));
    assert_eq!((&ended["status"], statuses(&ended)), (&json!("Succeeded"), vec!["Failed".into(), "Created".into()]));

    let outside = json!({ "type": "RunScript", "params": [
        { "key": "ScriptName", "value": "gone.ps1" }, { "key": "IsExternalSource", "value": "true" }] });
    assert_eq!(statuses(&session(&here, &json!([outside]))), ["Completed"]);
    let powershell = json!({ "type": "RunPowerShell", "params": [{ "key": "ScriptName", "value": "x" }] });
    assert_eq!(statuses(&session(&here, &json!([powershell]))), ["Completed"]);
}

#[test]
fn session_waits_two_hours_for_its_machine() {
    let here = Here::with(|builder| builder.token_lifetime(Duration::from_secs(1_000_000)));
    here.emulator.machine_offline(MACHINE);
    let commands = json!([{ "type": "GetFile", "params": [{ "key": "Path", "value": "p" }] }]);
    let waits = session(&here, &commands);
    let other = here.post(&path("isolate"), r#"{"Comment":"c"}"#).body;
    let status = |action: &Value| here.action(action["id"].as_str().unwrap())["status"].as_str().unwrap().to_owned();
    here.clock.advance(Duration::from_secs(2 * 3_600 - 4));
    assert_eq!(status(&waits), "Pending");
    here.clock.advance(Duration::from_secs(1));
    assert_eq!((status(&waits), status(&other)), ("TimeOut".to_owned(), "Pending".to_owned()));
}

#[test]
fn slash_behind_a_collection_is_left_aside() {
    let here = Here::with(|builder| builder);
    for collection in ["machineactions/?$top=1", "machines/", "libraryfiles/"] {
        assert_eq!(here.get(&format!("/api/{collection}")).status, 200, "{collection}");
    }
}
