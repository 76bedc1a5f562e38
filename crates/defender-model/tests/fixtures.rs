//! Every fixture decodes and survives a round trip.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set up its world has failed")]

use std::{fmt::Debug, path::PathBuf};

use defender_model::{
    ActionStatus, ActionType, DownloadLink, LibraryFile, Machine, MachineAction, Page, Problem, Resource, Transcript,
};
use serde::{Serialize, de::DeserializeOwned};

fn fixtures(kind: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert!(!files.is_empty());
    files
}

fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)).unwrap()
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
