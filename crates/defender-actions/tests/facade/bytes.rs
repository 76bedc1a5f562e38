//! JSON in any encoding and under any content type, from a service, a gateway or a file.

use defender_actions::{
    DefenderClient, ErrorKind,
    auth::StaticCredential,
    model::{Code, MachineAction},
    transport::{
        Body,
        testing::{Capture, ManualClock},
    },
};
use futures_util::TryStreamExt;
use http::Response;
use serde_json::{Value, json};

/// Encoding of JSON as bytes.
type Form = fn(&str) -> Vec<u8>;

/// Encodings in which JSON has been seen.
const FORMS: [(&str, Form); 8] = [
    ("as it is", |json| json.as_bytes().to_vec()),
    ("a mark", |json| format!("\u{feff}{json}").into_bytes()),
    ("two marks and blanks", |json| format!("\r\n \u{feff}\u{feff}\t{json}\r\n").into_bytes()),
    ("NULs behind it", |json| format!("{json}\0\0").into_bytes()),
    ("UTF-16, little end first", |json| wide(json, true, u16::to_le_bytes)),
    ("UTF-16, big end first", |json| wide(json, true, u16::to_be_bytes)),
    ("UTF-16 without a mark", |json| wide(json, false, u16::to_le_bytes)),
    ("a mark in UTF-16 and a blank", |json| wide(&format!(" {json} "), true, u16::to_le_bytes)),
];

fn wide(json: &str, marked: bool, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mark = marked.then_some(0xfeff);
    mark.into_iter().chain(json.encode_utf16()).flat_map(unit).collect()
}

/// Content types under which JSON has been seen.
const TYPES: [&str; 5] =
    ["application/json; charset=utf-8", "text/json", "text/html", "text/plain", "application/octet-stream"];

/// Client whose calls all get this status, content type and body.
fn client(status: u16, kind: &'static str, bytes: Vec<u8>) -> (DefenderClient, ManualClock) {
    let transport = Capture::with(move |_| {
        let builder = Response::builder().status(status).header("content-type", kind);
        Ok(builder.body(Body::from(bytes.clone())).unwrap())
    });
    let clock = ManualClock::new();
    let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(transport);
    (builder.clock(clock.clone()).build().unwrap(), clock)
}

#[tokio::test]
async fn success_is_decoded_in_every_form() {
    let record = json!({"id": "a1", "type": "Isolate", "status": "Succeeded", "machineId": "m1", "scope": "Full",
        "requestorComment": "für ü", "creationDateTimeUtc": "2026-01-01T12:00:00Z"});
    let page = json!({"value": [record]}).to_string();
    let link = json!({"value": "https://blobs.example.com/p.zip?sig=s"}).to_string();
    for (form, bytes) in FORMS {
        for kind in TYPES {
            let (one, clock) = client(201, kind, bytes(&record.to_string()));
            let action = one.action("a1".parse().unwrap());
            let read: MachineAction = clock.run(action.get().send()).await.unwrap();
            assert_eq!(read.requestor_comment.as_deref(), Some("für ü"), "{form} {kind}");
            let machine = one.machine("m1".parse().unwrap());
            let submitted = clock.run(machine.isolate("für ü").send()).await.unwrap();
            assert_eq!(submitted.id().as_str(), "a1", "{form} {kind}");
            assert_eq!(clock.run(action.cancel("c").send()).await.unwrap().id.as_str(), "a1", "{form} {kind}");
            let raw: Value = clock.run(one.get("/api/x").send()).await.unwrap();
            assert_eq!(raw["id"], "a1", "{form} {kind}");

            let (list, clock) = client(200, kind, bytes(&page));
            let rows: Vec<_> = clock.run(Box::pin(list.actions().stream()).try_collect()).await.unwrap();
            assert_eq!(rows.len(), 1, "{form} {kind}");
            let (links, clock) = client(200, kind, bytes(&link));
            let target = clock.run(links.action("a1".parse().unwrap()).package().link().send()).await.unwrap();
            assert!(target.url().ends_with("sig=s"), "{form} {kind}");
        }
    }
}

#[tokio::test]
async fn error_code_is_decoded_in_every_form() {
    let disabled = r#"{"error":{"code":"DisabledFeature","message":"für ü","target":"t"}}"#;
    let pending = r#"{"error":{"code":"ActiveRequestAlreadyExists","message":"m"}}"#;
    for (form, bytes) in FORMS {
        for kind in TYPES {
            let (refused, clock) = client(403, kind, bytes(disabled));
            let error = clock.run(refused.machine("m1".parse().unwrap()).isolate("c").send()).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Forbidden, Some(&Code::DisabledFeature)),
                "{form} {kind}"
            );
            assert!(error.to_string().contains("für ü"), "{form} {kind}: {error}");
            assert_eq!(error.problem().unwrap().raw(), bytes(disabled), "{form} {kind}");
            let (refused, clock) = client(400, kind, bytes(pending));
            let error = clock.run(refused.machine("m1".parse().unwrap()).isolate("c").send()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyInProgress, "{form} {kind}");
        }
    }
}
