//! The request log.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use defender_emulator::{Fault, Operation};
use serde_json::Value;

use crate::{driver::MACHINE, here::Here};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn log_has_every_request_without_secrets() {
    let paper = Paper::default();
    let to = paper.clone();
    let here = Here::with(|builder| builder.log(to));
    let instant = std::time::Duration::from_secs(3);
    let package = here.post(&format!("/api/machines/{MACHINE}/collectInvestigationPackage"), r#"{"Comment":"hush"}"#);
    here.clock.advance(instant);
    let id = package.body["id"].as_str().unwrap();
    let link = here.get(&format!("/api/machineactions/{id}/getPackageUri")).body["value"].as_str().unwrap().to_owned();
    let link = link.trim_matches('"');
    assert_eq!(here.get(link).status, 200);
    here.get("/api/machineactions?$top=1");
    here.emulator.fault(Fault::ResetBeforeEffect).on(Operation::ListMachines).times(1);
    assert!(here.send("GET", "/api/machines", "", "").unwrap().is_err());

    let written = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let operations: Vec<_> = lines.iter().map(|line| line["operation"].as_str().unwrap()).collect();
    let expected =
        ["Token", "CollectInvestigationPackage", "GetPackageUri", "DownloadBlob", "ListActions", "ListMachines"];
    assert_eq!(operations, expected);
    assert_eq!((&lines[1]["status"], &lines[1]["method"]), (&Value::from(201), &Value::from("POST")));
    assert_eq!(lines[1]["time"], "2026-01-01T12:00:00Z");
    assert_eq!(lines[4]["query"], "$top=1");
    assert_eq!((&lines[5]["status"], &lines[5]["fault"]), (&Value::Null, &Value::from("ResetBeforeEffect")));
    let signature = link.split("sig=").nth(1).unwrap();
    for secret in [here.token.as_str(), here.emulator.client_secret(), signature, "hush"] {
        assert!(!written.contains(secret), "{secret} in {written}");
    }
}
