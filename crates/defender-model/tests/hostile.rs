//! Any body is decoded or refused, in bounded memory and without a panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use defender_model::{DownloadLink, Machine, MachineAction, Page, Problem, Transcript};
use peak_alloc::PeakAlloc;
use serde::Serialize;
use serde_json::{Value, json};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Names of fields of all resources: at least one of each type.
const FIELDS: [&str; 20] = [
    "id",
    "type",
    "status",
    "title",
    "machineId",
    "creationDateTimeUtc",
    "lastUpdateTimeUtc",
    "errorHResult",
    "externalID",
    "relatedFileInfo",
    "commands",
    "troubleshootInfo",
    "machineTags",
    "ipAddresses",
    "rbacGroupId",
    "isExcluded",
    "script_output",
    "exit_code",
    "value",
    "notYetKnown",
];

/// Result of each decoder for one body, written back as JSON.
#[derive(Debug, Default, PartialEq)]
struct Read {
    action: Option<Value>,
    machine: Option<Value>,
    actions: Option<Value>,
    machines: Option<Value>,
    transcript: Option<Value>,
    link: Option<String>,
}

/// Waits until no other test runs, since memory is counted for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads `body` with every decoder. Each may use a few times the size of the body.
fn read(body: &[u8]) -> Read {
    read_within(8 * body.len() + 16 * 1024, body)
}

fn read_within(most: usize, body: &[u8]) -> Read {
    let problem = within(most, || Problem::parse(400, body));
    assert_eq!(problem.raw(), body);
    assert!(problem.to_string().len() < 10_000, "the text of a problem is one bounded line");
    Read {
        action: written(most, || serde_json::from_slice::<MachineAction>(body).ok()),
        machine: written(most, || serde_json::from_slice::<Machine>(body).ok()),
        actions: written(most, || serde_json::from_slice::<Page<MachineAction>>(body).ok()),
        machines: written(most, || serde_json::from_slice::<Page<Machine>>(body).ok()),
        transcript: written(most, || Transcript::parse(body).ok()),
        link: within(most, || serde_json::from_slice::<DownloadLink>(body).ok()).map(|link| link.url().into()),
    }
}

fn written<T: Serialize>(most: usize, read: impl FnOnce() -> Option<T>) -> Option<Value> {
    within(most, read).map(|read| serde_json::to_value(read).expect("a decoded value can be encoded"))
}

fn within<T>(most: usize, read: impl FnOnce() -> T) -> T {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let read = read();
    let took = HEAP.peak_usage().saturating_sub(before);
    assert!(took <= most, "{took} bytes were used, and {most} are allowed");
    read
}

#[test]
fn endless_nesting_is_refused() {
    let _alone = alone();
    let arrays = ("[".repeat(100_000), "]".repeat(100_000));
    let objects = (r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let records = (r#"{"id":"a","value":[{"commands":["#.repeat(100_000), "]}]}".repeat(100_000));
    for (open, close) in [&arrays, &objects, &records] {
        for whole in [format!("{open}{close}"), open.clone(), format!("{open}1{close}")] {
            assert_eq!(read(whole.as_bytes()), Read::default());
        }
        for field in FIELDS {
            let inside = format!(r#"{{"id":"a","{field}":{open}{close}}}"#);
            assert_eq!(read(inside.as_bytes()), Read::default(), "{field}");
            let in_a_row = format!(r#"{{"value":[{inside}]}}"#);
            assert_eq!(read(in_a_row.as_bytes()), Read::default(), "{field}");
        }
    }
}

#[test]
fn long_text_is_kept_except_in_ids() {
    let _alone = alone();
    let letters = "é".repeat(1 << 19);
    let (long, text) = (format!("{letters}\\u0000"), format!("{letters}\0"));
    for field in FIELDS {
        let body = format!(r#"{{"id":"a","{field}":"{long}"}}"#);
        let read = read(body.as_bytes());
        if field == "id" {
            assert_eq!((&read.action, &read.machine), (&None, &None));
            continue;
        }
        // An older spelling of a text becomes the live one.
        let spelled = if field == "externalID" { "externalId" } else { field };
        assert!(read.action.unwrap()[spelled] == text.as_str(), "{field}");
        assert!(read.machine.unwrap()[field] == text.as_str(), "{field}");
        assert!(read.transcript.unwrap()[field] == text.as_str(), "{field}");
        assert_eq!(read.link.is_some(), field == "value");
    }
    for body in [format!("\"{long}\""), format!(r#"{{"{long}":1}}"#), format!(r#"{{"value":["{long}"]}}"#)] {
        read(body.as_bytes());
    }
}

#[test]
fn long_id_error_is_short() {
    let _alone = alone();
    let body = format!(r#"{{"id":"{}"}}"#, "a/".repeat(1 << 19));
    let error = serde_json::from_str::<MachineAction>(&body).unwrap_err().to_string();
    assert!(error.len() < 1_000);
    let page: Page<Machine> = serde_json::from_str(&format!(r#"{{"value":[{body}]}}"#)).unwrap();
    assert!(page.unreadable[0].error.len() < 1_000);
}

/// Allowed memory for each byte. The worst case is an array of empty commands: a command has 3 bytes of JSON and about 200 bytes
/// in memory, and the array doubles as it grows.
const MOST: usize = 256;

#[test]
fn small_elements_use_proportional_memory() {
    let _alone = alone();
    for element in ["0", "{}", "[]", "\"\"", "null", r#"{"id":"a"}"#] {
        let array = format!("[{element}{}]", format!(",{element}").repeat(10_000));
        for field in FIELDS {
            let body = format!(r#"{{"id":"a","{field}":{array}}}"#);
            let read = read_within(body.len() * MOST, body.as_bytes());
            assert_eq!(read.action.is_some(), field != "id", "{field}: {element}");
            assert_eq!(read.actions.is_some(), field == "value", "{field}: {element}");
        }
    }
    let keys: Vec<_> = (0..10_000).map(|key| format!("\"{key}\":0")).collect();
    let body = format!(r#"{{"id":"a",{}}}"#, keys.join(","));
    assert!(read_within(body.len() * MOST, body.as_bytes()).action.is_some());
}

#[test]
fn last_of_two_equal_keys_counts() {
    let _alone = alone();
    for (body, action) in [
        (r#"{"id":"a","id":"b"}"#, Some(json!({"id": "b"}))),
        (r#"{"id":"../","id":"b"}"#, Some(json!({"id": "b"}))),
        (r#"{"id":"b","id":"../"}"#, None),
        (r#"{"id":"b","id":null}"#, None),
        (r#"{"id":"a","title":"t","title":null}"#, Some(json!({"id": "a"}))),
        (r#"{"id":"a","title":"t","title":5}"#, Some(json!({"id": "a", "title": 5}))),
        (r#"{"id":"a","title":5,"title":"t"}"#, Some(json!({"id": "a", "title": "t"}))),
        (r#"{"id":"a","title":5,"title":null}"#, Some(json!({"id": "a"}))),
        (r#"{"id":"a","status":"Failed","status":{}}"#, Some(json!({"id": "a", "status": {}}))),
        (r#"{"id":"a","new":1,"new":null}"#, Some(json!({"id": "a", "new": null}))),
        (r#"{"id":"a","externalID":"o","externalID":1}"#, Some(json!({"id": "a", "externalID": 1}))),
        (
            r#"{"id":"a","externalId":5,"externalId":null,"externalID":"o"}"#,
            Some(json!({"id": "a", "externalId": "o"})),
        ),
    ] {
        assert_eq!(read(body.as_bytes()).action, action, "{body}");
    }
    let body = r#"{"value":[{"id":"a"}],"value":[{"id":"b"}],"@odata.count":1,"@odata.count":2}"#;
    let page = json!({"value": [{"id": "b"}], "@odata.count": 2});
    assert_eq!(read(body.as_bytes()).actions, Some(page));
    let page: Page<Machine> = serde_json::from_str(r#"{"value":[{"id":"a"}],"value":null}"#).unwrap();
    assert_eq!(page.value, []);
}

#[test]
fn half_a_surrogate_pair_is_refused() {
    let _alone = alone();
    for half in [r"\ud800", r"\udfff", r"\ud800\ud800", r"\ud800x", r"\ud8", r"\udc00\ud800"] {
        for field in FIELDS {
            for body in [format!(r#"{{"id":"a","{field}":"{half}"}}"#), format!(r#"{{"id":"a","{field}{half}":1}}"#)] {
                assert_eq!(read(body.as_bytes()), Read::default(), "{body}");
            }
        }
    }
}

#[test]
fn invalid_utf_8_is_refused() {
    let _alone = alone();
    for bytes in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\x80"] {
        for field in FIELDS {
            let start = format!(r#"{{"id":"a","{field}":""#);
            let body = [start.as_bytes(), bytes, b"\"}"].concat();
            assert_eq!(read(&body), Read::default());
        }
        assert_eq!(read(&[b"{\"id\":\"a\",\"", bytes, b"\":1}"].concat()), Read::default());
        assert_eq!(read(bytes), Read::default());
    }
    // UTF-16 is read by `read_json` and not by serde_json.
    let utf_16: Vec<u8> = r#"{"id":"a"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let read = read(&utf_16);
    assert!(read.transcript.is_some());
    assert_eq!(Read { transcript: None, ..read }, Read::default());
}

#[test]
fn number_out_of_range_is_kept() {
    let _alone = alone();
    for field in FIELDS.into_iter().filter(|field| *field != "id") {
        for (number, kept) in [
            ("1000000000000000000000000000000", json!(1e30)),
            ("-0", json!(-0.0)),
            ("9223372036854775808", json!(9_223_372_036_854_775_808_u64)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            ("-9223372036854775809", json!(-9_223_372_036_854_775_809.0)),
            ("1844674407370955161000000000000000000000000000", json!(1.844_674_407_370_955_2e45)),
            ("5e-324", json!(5e-324)),
            ("1e-400", json!(0.0)),
        ] {
            let body = format!(r#"{{"id":"a","{field}":{number}}}"#);
            let read = read(body.as_bytes());
            assert_eq!(read.action.unwrap()[field], kept, "{field}: {number}");
            assert_eq!(read.machine.unwrap()[field], kept, "{field}: {number}");
        }
        for number in ["1e400", "-1e400", "1e999999999999", "NaN", "Infinity", "01", "1.", "0x10", "--1"] {
            let body = format!(r#"{{"id":"a","{field}":{number}}}"#);
            assert_eq!(read(body.as_bytes()), Read::default(), "{body}");
        }
    }
    let digits = "9".repeat(1 << 20);
    let body = format!(r#"{{"id":"a","errorHResult":{digits}}}"#);
    assert_eq!(read(body.as_bytes()), Read::default());
    let body = format!(r#"{{"id":"a","errorHResult":"{digits}"}}"#);
    assert!(read(body.as_bytes()).action.unwrap()["errorHResult"] == digits);
}

#[test]
fn truncated_body_is_refused() {
    let _alone = alone();
    assert_eq!(read(b""), Read::default());
    assert_eq!(read(b" \r\n\t"), Read::default());
    assert_eq!(read(&[0; 1000]), Read::default());
    let body = concat!(
        r#"{"id":"a\u00e9","value":[{"id":"5382f7ea","type":"Isolate","errorHResult":-2145844840,"#,
        r#""creationDateTimeUtc":"2025-03-01T09:15:00.1234567Z","commands":[{"index":0,"errors":["é"]}],"x":1.5e3}],"#,
        r#""script_name":"a","exit_code":0}"#,
    );
    assert!(read(body.as_bytes()).actions.is_some());
    for end in 0..body.len() {
        assert_eq!(read(&body.as_bytes()[..end]), Read::default(), "{end}");
    }
    for behind in ["x", "{}", "]", ",", "\u{feff}"] {
        let body = format!("{body}{behind}");
        assert_eq!(read(body.as_bytes()), Read::default(), "{behind}");
    }
}
