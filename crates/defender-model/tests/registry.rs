//! The registry of actions against a second table. The table is written from the service's pages and captures, not from the
//! code, so a changed fact fails here. Sources: the page of each action under
//! <https://learn.microsoft.com/en-us/defender-endpoint/api/>, and
//! <https://learn.microsoft.com/en-us/defender-endpoint/respond-machine-alerts> for systems.
#![allow(clippy::unwrap_used, reason = "a test fails if it cannot build its input")]

use std::collections::BTreeSet;

use defender_model::{
    ACTIONS, ActionInfo,
    Match::{self, Different, NotStated, Same},
    Platforms,
};
use serde_json::{Value, json};

/// The facts of one action.
struct Row {
    action_type: &'static str,
    segment: &'static str,
    application: &'static [&'static str],
    delegated: &'static [&'static str],
    /// Role in Defender for Endpoint, and in Unified RBAC.
    role: (&'static str, &'static str),
    /// Calls and seconds of each window.
    quota: &'static [(u32, u64)],
    inverse: Option<&'static str>,
    systems: Systems,
    rule: Rule,
}

/// First version of Windows 10 (0: any), older versions of Windows, Linux, macOS.
type Systems = (u32, bool, bool, bool);

/// The fields of a record that are compared with a request, and how.
enum Rule {
    /// The type has no rule: two requests with equal bodies are two actions.
    Unknown,
    /// The type has no particulars: each record of the type has the same ones.
    NoParticulars,
    /// `field` of the request is compared with `scope` of the record, in any letter case. A record without a known value is no
    /// difference: the service fills in the scope later. A request for `confirmed_only` is never contradicted, since no page
    /// states the scope of a contained device (inferred).
    Scope { field: &'static str, values: &'static [&'static str], confirmed_only: &'static [&'static str] },
    /// `Sha1` of the request is compared with `relatedFileInfo` of the record. Another kind of hash is no difference.
    File,
}

const GENERAL: &[(u32, u64)] = &[(100, 60), (1_500, 3_600)];
const ANY: Systems = (0, true, true, true);
const REMEDIATION: (&str, &str) =
    ("Active remediation actions", "Security operations / Security data / Response (manage)");
const ALERTS: (&str, &str) = ("Alerts investigation", "Security operations / Security data / Alerts (manage)");
const LIVE_RESPONSE: (&str, &str) =
    ("Live response", "Security operations / Basic (or Advanced) live response (manage)");

#[rustfmt::skip]
const TABLE: [Row; 9] = [
    Row {
        action_type: "UnrestrictCodeExecution",
        segment: "unrestrictCodeExecution",
        application: &["Machine.RestrictExecution"],
        delegated: &["Machine.RestrictExecution"],
        role: REMEDIATION,
        quota: GENERAL,
        inverse: Some("RestrictCodeExecution"),
        systems: (1709, false, false, false),
        rule: Rule::NoParticulars,
    },
    Row {
        action_type: "RestrictCodeExecution",
        segment: "restrictCodeExecution",
        application: &["Machine.RestrictExecution"],
        delegated: &["Machine.RestrictExecution"],
        role: REMEDIATION,
        quota: GENERAL,
        inverse: Some("UnrestrictCodeExecution"),
        systems: (1709, false, false, false),
        rule: Rule::NoParticulars,
    },
    Row {
        action_type: "Isolate",
        segment: "isolate",
        application: &["Machine.Isolate"],
        delegated: &["Machine.Isolate"],
        role: REMEDIATION,
        quota: GENERAL,
        inverse: Some("Unisolate"),
        systems: ANY,
        rule: Rule::Scope {
            field: "IsolationType",
            values: &["Full", "Selective", "UnManagedDevice"],
            confirmed_only: &["UnManagedDevice"],
        },
    },
    Row {
        action_type: "Unisolate",
        segment: "unisolate",
        application: &["Machine.Isolate"],
        delegated: &["Machine.Isolate"],
        role: REMEDIATION,
        quota: GENERAL,
        inverse: Some("Isolate"),
        systems: ANY,
        rule: Rule::NoParticulars,
    },
    Row {
        action_type: "RunAntiVirusScan",
        segment: "runAntiVirusScan",
        application: &["Machine.Scan"],
        delegated: &["Machine.Scan"],
        role: REMEDIATION,
        quota: GENERAL,
        inverse: None,
        systems: ANY,
        rule: Rule::Scope { field: "ScanType", values: &["Quick", "Full"], confirmed_only: &[] },
    },
    Row {
        action_type: "StopAndQuarantineFile",
        segment: "StopAndQuarantineFile",
        application: &["Machine.StopAndQuarantine", "Machine.Read.All", "Machine.ReadWrite.All"],
        delegated: &["Machine.StopAndQuarantine"],
        role: REMEDIATION,
        quota: GENERAL,
        inverse: None,
        systems: (1703, true, false, false),
        rule: Rule::File,
    },
    Row {
        action_type: "CollectInvestigationPackage",
        segment: "collectInvestigationPackage",
        application: &["Machine.CollectForensics"],
        delegated: &["Machine.CollectForensics"],
        role: ALERTS,
        quota: GENERAL,
        inverse: None,
        systems: ANY,
        rule: Rule::NoParticulars,
    },
    Row {
        action_type: "LiveResponse",
        segment: "runliveresponse",
        application: &["Machine.LiveResponse"],
        delegated: &["Machine.LiveResponse"],
        role: LIVE_RESPONSE,
        quota: &[(10, 60)],
        inverse: None,
        systems: (1709, false, true, true),
        rule: Rule::Unknown,
    },
    Row {
        action_type: "Offboard",
        segment: "offboard",
        application: &["Machine.Offboard"],
        delegated: &["Machine.Offboard"],
        role: REMEDIATION,
        quota: GENERAL,
        inverse: None,
        systems: ANY,
        rule: Rule::NoParticulars,
    },
];

/// Each row with the action of the registry.
fn pairs() -> impl Iterator<Item = (Row, &'static ActionInfo)> {
    let found = |row: Row| {
        let action = ACTIONS.iter().find(|action| action.action_type == row.action_type);
        action.map(|action| (row, action))
    };
    TABLE.into_iter().filter_map(found)
}

#[test]
fn registry_has_each_action_once() {
    let listed: Vec<_> = ACTIONS.iter().map(|action| action.action_type).collect();
    assert_eq!(
        listed,
        TABLE.map(|row| row.action_type),
        "`TABLE` of this file has a row for each action, in the same order"
    );
    for action_type in listed {
        assert_eq!(ActionInfo::of_type(&action_type.to_uppercase()).unwrap().action_type, action_type);
    }
}

#[test]
fn paths_and_permissions_match_the_table() {
    for (row, action) in pairs() {
        assert_eq!(action.segment, row.segment, "{}", row.action_type);
        assert_eq!(action.permissions, row.application, "{}", row.action_type);
        assert_eq!(action.delegated_permissions, row.delegated, "{}", row.action_type);
        let role = action.role.map(|role| (role.endpoint, role.unified));
        assert_eq!(role, Some(row.role), "{}", row.action_type);
    }
}

#[test]
fn quotas_match_the_table() {
    for (row, action) in pairs() {
        let quota: Vec<_> = action.quota.iter().map(|limit| (limit.calls, limit.per.as_secs())).collect();
        assert_eq!(quota, row.quota, "{}", row.action_type);
    }
}

#[test]
fn inverses_and_systems_match_the_table() {
    for (row, action) in pairs() {
        assert_eq!(action.inverse, row.inverse, "{}", row.action_type);
        let Platforms { windows_10, older_windows, linux, mac, .. } = action.platforms;
        assert_eq!((windows_10, older_windows, linux, mac), row.systems, "{}", row.action_type);
    }
}

#[test]
fn particulars_match_the_table() {
    for (row, action) in pairs() {
        let cases = row.rule.cases();
        for (body, record, expected) in &cases {
            assert_eq!(compare(action, body, record), *expected, "{}: {body} and {record}", row.action_type);
        }
        let results: BTreeSet<_> = cases.iter().map(|(.., expected)| format!("{expected:?}")).collect();
        let comparing = matches!(row.rule, Rule::Scope { .. } | Rule::File);
        assert_eq!(results.len(), if comparing { 3 } else { 1 }, "{}", row.action_type);
    }
}

#[test]
fn unreadable_body_has_no_result() {
    for action in ACTIONS {
        assert_eq!(compare(action, &json!({}), &json!({})), None, "{}", action.action_type);
    }
}

/// Compares a request with a record of its type. All other attributes of the record differ from those of the request, and have
/// values that a wrong field would take for equal.
fn compare(action: &ActionInfo, body: &Value, fields: &Value) -> Option<Match> {
    let particular = body.as_object()?.iter().find(|(name, _)| *name != "Comment").map(|(_, value)| value.clone());
    let mut record = json!({
        "id": "a",
        "type": action.action_type,
        "title": particular,
        "requestorComment": "another comment",
        "cancellationComment": particular,
        "computerDnsName": particular,
        "requestSource": particular,
        "externalId": "another id",
    });
    record.as_object_mut()?.extend(fields.as_object()?.clone());
    action.particulars(body, &serde_json::from_value(record).unwrap())
}

impl Rule {
    /// Bodies of requests and fields of records, with the expected result.
    fn cases(&self) -> Vec<(Value, Value, Option<Match>)> {
        let comment = || json!({"Comment": "c"});
        let other_file = || json!({"scope": "Full", "relatedFileInfo": {"fileIdentifier": "0".repeat(40)}});
        match self {
            Self::Unknown => {
                let commands = json!([{"type": "GetFile", "params": [{"key": "Path", "value": "a"}]}]);
                let body = json!({"Comment": "c", "Commands": commands});
                vec![(body.clone(), json!({}), None), (body, other_file(), None)]
            }
            Self::NoParticulars => vec![(comment(), json!({}), Some(Same)), (comment(), other_file(), Some(Same))],
            Self::Scope { field, values, confirmed_only } => {
                let mut cases = Vec::new();
                for asked in *values {
                    let body = || json!({"Comment": "c", *field: asked});
                    for stated in *values {
                        let expected = match stated == asked {
                            true => Same,
                            false if confirmed_only.contains(asked) => NotStated,
                            false => Different,
                        };
                        cases.push((body(), json!({"scope": stated}), Some(expected)));
                        cases.push((body(), json!({"scope": stated.to_lowercase()}), Some(expected)));
                    }
                    for silent in [json!({}), json!({"scope": null}), json!({"scope": ""}), json!({"scope": "Partial"})]
                    {
                        cases.push((body(), silent, Some(NotStated)));
                    }
                }
                cases
            }
            Self::File => {
                let (asked, other) = ("87662bc3d60e4200ceaf7aae249d1c343f4b83c9", "0".repeat(40));
                let file = |hash: &str, kind: Value| json!({"relatedFileInfo": {"fileIdentifier": hash, "fileIdentifierType": kind}});
                let records = [
                    (file(asked, "Sha1".into()), Same),
                    (file(&asked.to_uppercase(), "sha1".into()), Same),
                    (file(asked, Value::Null), Same),
                    (file(&other, "Sha1".into()), Different),
                    (file(&other, Value::Null), Different),
                    (file(&"0".repeat(64), "Sha256".into()), NotStated),
                    (file(&"0".repeat(32), "Md5".into()), NotStated),
                    (file("", asked.into()), NotStated),
                    (json!({"relatedFileInfo": null}), NotStated),
                    (json!({}), NotStated),
                ];
                let body = json!({"Comment": "c", "Sha1": asked});
                records.into_iter().map(|(record, expected)| (body.clone(), record, Some(expected))).collect()
            }
        }
    }
}
