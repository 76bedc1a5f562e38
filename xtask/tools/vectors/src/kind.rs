//! The kind of a body, by its folder or by its shape.

use serde_json::Value;

/// Kind of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Action,
    Page,
    Machine,
    Library,
    Transcript,
    Problem,
    Link,
    Request,
    /// JSON that this library has no type for.
    Other,
}

impl Kind {
    const NAMED: [Self; 8] = [
        Self::Action,
        Self::Page,
        Self::Machine,
        Self::Library,
        Self::Transcript,
        Self::Problem,
        Self::Link,
        Self::Request,
    ];

    pub(super) fn word(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    pub(super) fn named(folder: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|kind| kind.word() == folder)
    }

    pub(super) fn guessed(json: &Value) -> Self {
        let has = |name: &str| json.get(name).is_some();
        if ["Comment", "Value", "DeviceValue"].into_iter().any(has) {
            return Self::Request;
        }
        if json.get("error").is_some_and(Value::is_object) {
            return Self::Problem;
        }
        match json.get("value") {
            Some(Value::Array(rows)) if rows.first().is_some_and(is_investigation) => return Self::Other,
            Some(Value::Array(_) | Value::Null) => return Self::Page,
            Some(Value::String(_)) => return Self::Link,
            _ => {}
        }
        if has("script_output") || has("exit_code") {
            return Self::Transcript;
        }
        if has("id") && (has("type") || has("requestor") || has("status")) {
            return Self::Action;
        }
        if has("id") && !is_investigation(json) {
            return Self::Machine;
        }
        if has("fileName") {
            return Self::Library;
        }
        if has("machineTags") || has("deviceValue") {
            return Self::Request;
        }
        Self::Other
    }
}

/// Manual investigations have ended, so there is no type for them.
fn is_investigation(row: &Value) -> bool {
    row.get("triggeringAlertId").is_some()
}

pub(super) fn of_machines(page: &Value) -> bool {
    let first = page.pointer("/value/0");
    first.is_some_and(|row| row.get("machineId").is_none() && row.get("id").is_some() && row.get("status").is_none())
}

pub(super) fn of_library_files(page: &Value) -> bool {
    page.pointer("/value/0").is_some_and(|row| row.get("fileName").is_some())
}
