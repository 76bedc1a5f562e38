//! Every fixture decodes and survives a round trip.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set up its world has failed")]

use std::{collections::BTreeSet, fmt::Debug, path::PathBuf};

use defender_model::{
    ACTIONS, Action, ActionStatus, ActionType, CollectInvestigationPackage, DownloadLink, Isolate, LibraryFile,
    LiveResponse, Machine, MachineAction, Offboard, Page, Problem, Resource, RestrictCodeExecution, RunAntiVirusScan,
    StopAndQuarantineFile, Transcript, Unisolate, UnrestrictCodeExecution,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn fixtures(kind: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert!(!files.is_empty());
    files
}

fn fixture(path: &str) -> Vec<u8> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn action(name: &str) -> MachineAction {
    serde_json::from_slice(&fixture(&format!("action/{name}.json"))).unwrap()
}

fn round_trip<T: DeserializeOwned + Serialize + PartialEq + Debug>(kind: &str) {
    for (path, bytes) in fixtures(kind) {
        let read: T = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let again: T = serde_json::from_slice(&serde_json::to_vec(&read).unwrap()).unwrap();
        assert_eq!(again, read, "{}", path.display());
    }
}

#[test]
fn single_records_survive_a_round_trip() {
    round_trip::<MachineAction>("action");
    round_trip::<Machine>("machine");
    round_trip::<LibraryFile>("library");
}

#[test]
fn each_action_has_a_record() {
    let records = fixtures("action").into_iter().map(|(_, bytes)| serde_json::from_slice::<MachineAction>(&bytes));
    let types: BTreeSet<String> = records.map(|record| record.unwrap().action_type.as_str().to_owned()).collect();
    let missing: Vec<_> =
        ACTIONS.iter().map(|action| action.action_type).filter(|name| !types.contains(*name)).collect();
    assert_eq!(
        missing, [""; 0],
        "add a record of each of these types, as the service sends it, to `tests/fixtures/action`"
    );
}

/// Reads a body as a request, and writes it.
type Rewrite = fn(&[u8]) -> Result<Value, serde_json::Error>;

fn rewritten<A: Action + DeserializeOwned>(body: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_slice::<A>(body)?)
}

/// Type of each action, the file with its request, and the request's round trip. Actions with a comment alone share a file.
const REQUESTS: [(&str, &str, Rewrite); 9] = [
    (UnrestrictCodeExecution::TYPE, "comment-alone", rewritten::<UnrestrictCodeExecution>),
    (RestrictCodeExecution::TYPE, "comment-alone", rewritten::<RestrictCodeExecution>),
    (Isolate::TYPE, "isolate-unmanaged", rewritten::<Isolate>),
    (Unisolate::TYPE, "comment-alone", rewritten::<Unisolate>),
    (RunAntiVirusScan::TYPE, "scan-quick", rewritten::<RunAntiVirusScan>),
    (StopAndQuarantineFile::TYPE, "quarantine", rewritten::<StopAndQuarantineFile>),
    (CollectInvestigationPackage::TYPE, "comment-alone", rewritten::<CollectInvestigationPackage>),
    (LiveResponse::TYPE, "live-response-all-three", rewritten::<LiveResponse>),
    (Offboard::TYPE, "comment-alone", rewritten::<Offboard>),
];

#[test]
fn each_action_has_a_request() {
    let listed: Vec<_> = ACTIONS.iter().map(|action| action.action_type).collect();
    let types = REQUESTS.map(|(action_type, ..)| action_type);
    assert_eq!(listed, types, "`REQUESTS` of this file has a row for each action, in the order of `actions!`");
    for (action_type, file, rewrite) in REQUESTS {
        let body = fixture(&format!("request/{file}.json"));
        let written =
            rewrite(&body).unwrap_or_else(|error| panic!("{file}.json is no request of {action_type}: {error}"));
        assert_eq!(
            written,
            serde_json::from_slice::<Value>(&body).unwrap(),
            "{action_type} loses a part of {file}.json"
        );
    }
}

#[test]
fn pages_survive_a_round_trip() {
    fn page<T: Resource + PartialEq + Debug>(name: &str, rows: usize) {
        let read: Page<T> = serde_json::from_slice(&fixture(&format!("page/{name}.json"))).unwrap();
        let again: Page<T> = serde_json::from_slice(&serde_json::to_vec(&read).unwrap()).unwrap();
        assert_eq!((again.value.len(), again.unreadable.len()), (rows, 0));
        assert_eq!(again, read);
    }
    page::<MachineAction>("actions", 3);
    page::<MachineAction>("empty", 0);
    page::<MachineAction>("value-null", 0);
    page::<MachineAction>("next-link-and-count", 1);
    page::<Machine>("machines", 1);
    page::<LibraryFile>("library-files", 1);
}

#[test]
fn problems_links_and_transcripts_are_read() {
    for (_, bytes) in fixtures("problem") {
        assert_eq!(Problem::parse(400, &bytes).raw(), bytes);
    }
    for (path, bytes) in fixtures("link") {
        let link: DownloadLink = serde_json::from_slice(&bytes).unwrap();
        assert!(link.url().starts_with("https://"), "{}", path.display());
    }
    for (_, bytes) in fixtures("transcript") {
        Transcript::parse(&bytes).unwrap();
    }
}

#[test]
fn unusual_values_are_read() {
    assert_eq!(action("status-canceled-older-spelling").status, ActionStatus::Cancelled);
    assert_eq!(action("type-live-response-older-spelling").action_type, ActionType::LiveResponse);
    assert_eq!(action("type-offboard-machine-older-spelling").action_type, ActionType::Offboard);
    assert_eq!(action("status-unknown").status.as_str(), "AwaitingApproval");
    assert_eq!(action("live-time-out-signed-result").error_h_result, Some(-2_145_844_840));
    assert_eq!(action("result-as-text").error_h_result, Some(-2_145_844_840));
    assert_eq!(action("result-unsigned").error_h_result, None);
    assert_eq!(action("result-unsigned").extra["errorHResult"], 2_149_122_456_u32);
    assert_eq!(action("external-id-spelling-of-the-page").external_id.as_deref(), Some("ticket-43"));
    assert_eq!(action("machine-id-invalid").machine_id, None);
    let created = |name: &str| action(name).creation_date_time_utc.unwrap().to_string();
    assert_eq!(created("date-with-an-offset"), "2026-03-02T08:15:59.5Z");
    assert_eq!(created("date-without-a-zone"), "2026-03-02T08:15:59.5Z");
    assert_eq!(created("dates-7-digits-of-zeroes"), "2026-03-02T08:15:59Z");
    assert_eq!(action("date-empty").last_update_date_time_utc, None);
    assert!(!action("date-empty").extra.contains_key("lastUpdateDateTimeUtc"));
    assert_eq!(action("date-invalid").extra["lastUpdateDateTimeUtc"], "soon");
    assert_eq!(action("update-time-both-spellings").extra["lastUpdateTimeUtc"], "2026-03-02T08:15:29Z");
    assert_eq!(action("requestor-and-comment-with-blanks").requestor.as_deref(), Some("analyst@contoso.example "));
}
