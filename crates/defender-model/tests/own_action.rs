//! An action that is implemented outside this crate.

use defender_model::{Action, Limit, MachineAction};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EvictIdentity {
    comment: String,
    account: &'static str,
}

impl Action for EvictIdentity {
    const SEGMENT: &'static str = "evictIdentity";
    const TYPE: &'static str = "EvictIdentity";
    const PERMISSIONS: &'static [&'static str] = &["Machine.Evict"];
}

#[test]
fn own_action_needs_three_constants() {
    let action = EvictIdentity { comment: "Stolen session".to_owned(), account: "eve" };
    let json = serde_json::to_string(&action).ok();
    assert_eq!(json.as_deref(), Some(r#"{"Comment":"Stolen session","Account":"eve"}"#));
    assert_eq!(EvictIdentity::QUOTA, Limit::GENERAL);
    assert_eq!(EvictIdentity::DELEGATED_PERMISSIONS, ["Machine.Evict"]);
    assert_eq!(EvictIdentity::INVERSE, None);
}

#[test]
fn own_action_has_no_rule_by_default() {
    let action = EvictIdentity { comment: String::new(), account: "" };
    let existing = serde_json::from_str::<MachineAction>(r#"{"id":"a","type":"EvictIdentity"}"#).ok();
    assert!(existing.is_some_and(|existing| action.particulars(&existing).is_none()));
}
