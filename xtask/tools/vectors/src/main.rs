//! Bodies of the service, decoded and encoded back, one row each.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use defender_model::{
    CancelMachineAction, DownloadLink, Isolate, LibraryFile, LiveResponse, LiveResponseCommand, Machine, MachineAction,
    Page, Problem, Resource, RunAntiVirusScan, SetDeviceValue, StopAndQuarantineFile, TagAction, TagMachine,
    TagMachines, Transcript, UpdateMachine,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use xtask::Failure;

const HELP: &str = "\
Decodes every JSON body in a folder and encodes it back, a row each.

Usage: cargo xtask vectors DIR
";

fn main() -> ExitCode {
    xtask::program(HELP, |mut arguments| {
        let folder = arguments.value()?;
        match arguments.next()? {
            None => run(Path::new(&folder)),
            Some(more) => Err(more.unexpected().into()),
        }
    })
}

/// Kind of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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

/// Result for a body.
type Outcome = Result<String, String>;

/// Decodes every JSON file below `folder`, tells of each, and fails if one fails.
fn run(folder: &Path) -> Result<(), Failure> {
    let files = json_files(folder)?;
    let mut failed = 0_usize;
    for file in &files {
        let bytes = std::fs::read(file).map_err(|error| Failure::broken(file.display(), error))?;
        let named = file.parent().and_then(Path::file_name).and_then(|name| Kind::named(&name.to_string_lossy()));
        let (kind, outcome) = check(&bytes, named);
        let name = file.strip_prefix(folder).unwrap_or(file).display();
        match outcome {
            Ok(what) => println!("ok    {:<10} {name}: {what}", kind.word()),
            Err(why) => {
                failed = failed.saturating_add(1);
                println!("FAIL  {:<10} {name}: {why}", kind.word());
            }
        }
    }
    match (files.len(), failed) {
        (0, _) => Err(Failure::Check(format!("vectors: no JSON file below {}", folder.display()))),
        (count, 0) => {
            eprintln!("vectors: {count} bodies, all well");
            Ok(())
        }
        (count, failed) => Err(Failure::Check(format!("vectors: {failed} of {count} failed"))),
    }
}

fn json_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let broken = |error| Failure::broken(folder.display(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        if path.is_dir() {
            files.extend(json_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Decodes one body as what its folder says, or else as what it looks like.
fn check(bytes: &[u8], named: Option<Kind>) -> (Kind, Outcome) {
    let json = serde_json::from_slice::<Value>(bytes);
    let kind = named.unwrap_or_else(|| json.as_ref().map_or(Kind::Problem, Kind::guessed));
    let outcome = match (kind, json) {
        (Kind::Problem, _) => problem(bytes),
        (Kind::Transcript, _) => {
            Transcript::parse(bytes).map_err(|error| error.to_string()).and_then(|read| same(bytes, &read))
        }
        (_, Err(error)) => Err(format!("this is no JSON: {error}")),
        (kind, Ok(json)) => as_kind(kind, &filled_in(json)),
    };
    (kind, outcome)
}

fn as_kind(kind: Kind, json: &Value) -> Outcome {
    match kind {
        Kind::Action => both_ways::<MachineAction>(json),
        Kind::Machine => both_ways::<Machine>(json),
        Kind::Library => both_ways::<LibraryFile>(json),
        Kind::Page if of_machines(json) => page::<Machine>(json),
        Kind::Page if of_library_files(json) => page::<LibraryFile>(json),
        Kind::Page => page::<MachineAction>(json),
        // The link itself is a secret.
        Kind::Link => decoded::<DownloadLink>(json).map(|_link| "decoded".to_owned()),
        Kind::Request => request(json),
        Kind::Other | Kind::Transcript | Kind::Problem => Ok("nothing of ours".to_owned()),
    }
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

    fn word(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    fn named(folder: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|kind| kind.word() == folder)
    }

    fn guessed(json: &Value) -> Self {
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

fn of_machines(page: &Value) -> bool {
    let first = page.pointer("/value/0");
    first.is_some_and(|row| row.get("machineId").is_none() && row.get("id").is_some() && row.get("status").is_none())
}

fn of_library_files(page: &Value) -> bool {
    page.pointer("/value/0").is_some_and(|row| row.get("fileName").is_some())
}

/// Documentation prints `{machine_id}` where an id belongs; the braces are taken off, so that it is one.
fn filled_in(mut json: Value) -> Value {
    if let Some(object) = json.as_object_mut() {
        for value in object.values_mut() {
            let inside = value.as_str().and_then(|text| text.strip_prefix('{')?.strip_suffix('}'));
            if let Some(inside) = inside.map(str::to_owned) {
                *value = inside.into();
            }
        }
    }
    json
}

fn decoded<T: DeserializeOwned>(json: &Value) -> Result<T, String> {
    T::deserialize(json).map_err(|error| error.to_string())
}

fn both_ways<T: DeserializeOwned + Serialize>(json: &Value) -> Outcome {
    equal(json, &decoded::<T>(json)?)
}

fn page<T: Resource + PartialEq>(json: &Value) -> Outcome {
    let page = decoded::<Page<T>>(json)?;
    if let Some(row) = page.unreadable.first() {
        return Err(format!("row {}: {}", row.index, row.error));
    }
    // A page of null is an empty one.
    let mut json = json.clone();
    if let Some(rows) = json.get_mut("value").filter(|rows| rows.is_null()) {
        *rows = Value::Array(Vec::new());
    }
    equal(&json, &page)?;
    Ok(format!("{} rows, the same both ways", page.value.len()))
}

fn same(bytes: &[u8], read: &Transcript) -> Outcome {
    // What was parsed is an object, so what is behind it is NULs and what is before it is a mark.
    let end = bytes.iter().rposition(|byte| *byte == b'}').map_or(0, |last| last.saturating_add(1));
    let begin = bytes.iter().position(|byte| *byte == b'{').unwrap_or_default();
    let json = serde_json::from_slice(bytes.get(begin..end).unwrap_or_default()).map_err(|error| error.to_string())?;
    equal(&json, read)
}

fn problem(bytes: &[u8]) -> Outcome {
    let problem = Problem::parse(400, bytes);
    if problem.raw() != bytes {
        return Err("its raw body is not what came".to_owned());
    }
    Ok(problem.to_string())
}

fn equal(json: &Value, read: &impl Serialize) -> Outcome {
    let back = serde_json::to_value(read).map_err(|error| error.to_string())?;
    let (json, back) = (normal(json.clone()), normal(back));
    if json == back { Ok("the same both ways".to_owned()) } else { Err(format!("{json} came back as {back}")) }
}

/// The normalizations of docs/decisions.md, done to both sides.
fn normal(json: Value) -> Value {
    match json {
        Value::Object(object) => {
            let older = [
                ("lastUpdateTimeUtc", "lastUpdateDateTimeUtc"),
                ("externalID", "externalId"),
                ("onboardingstatus", "onboardingStatus"),
                ("name", "script_name"),
                ("script_error", "script_errors"),
            ];
            let mut normalised: Map<String, Value> = object
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, normal(value)))
                .collect();
            for (old, new) in older {
                if !normalised.contains_key(new)
                    && let Some(value) = normalised.remove(old)
                {
                    normalised.insert(new.to_owned(), value);
                }
            }
            normalised.retain(|name, value| !(value == "" && (is_date(name) || name == "status" || name == "type")));
            Value::Object(normalised)
        }
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::String(text) => normal_text(text),
        other => other,
    }
}

fn is_date(name: &str) -> bool {
    name.ends_with("TimeUtc") || name.ends_with("Time") || matches!(name, "firstSeen" | "lastSeen")
}

/// A date is in UTC with no more digits than it needs, a number is a number, and a word has the service's letter case.
fn normal_text(text: String) -> Value {
    use defender_model::{ActionStatus, ActionType, OnboardingStatus};
    let looks_like_a_date = text.get(4..5) == Some("-") && text.get(10..11) == Some("T");
    if looks_like_a_date {
        let json = serde_json::json!({"id": "x", "creationDateTimeUtc": text});
        let date = decoded::<MachineAction>(&json).ok().and_then(|action| action.creation_date_time_utc);
        return date.map_or(text.into(), |date| date.to_string().into());
    }
    let canonical = [
        ActionStatus::from(text.as_str()).as_str().to_owned(),
        ActionType::from(text.as_str()).as_str().to_owned(),
        OnboardingStatus::from(text.as_str()).as_str().to_owned(),
    ];
    if let Some(word) = canonical.into_iter().find(|word| *word != text) {
        return word.into();
    }
    text.parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

/// Makes the request anew from what it says, and compares.
fn request(json: &Value) -> Outcome {
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let comment = text("Comment").unwrap_or_default();
    let refused = |error: defender_model::Error| error.to_string();
    let made = if let Some(commands) = json.get("Commands").and_then(Value::as_array) {
        let commands = commands.iter().map(command).collect::<Option<Vec<_>>>().ok_or("a command is not known")?;
        serde_json::to_value(LiveResponse::new(comment, commands).map_err(refused)?)
    } else if let Some(kind) = text("IsolationType") {
        serde_json::to_value(Isolate::new(comment, kind.into()).map_err(refused)?)
    } else if let Some(kind) = text("ScanType") {
        serde_json::to_value(RunAntiVirusScan::new(comment, kind.into()).map_err(refused)?)
    } else if let Some(sha1) = text("Sha1") {
        let sha1 = sha1.parse().map_err(refused)?;
        serde_json::to_value(StopAndQuarantineFile::new(comment, sha1).map_err(refused)?)
    } else if let (Some(value), Some(action)) = (text("Value"), text("Action")) {
        let action = if action == "Remove" { TagAction::Remove } else { TagAction::Add };
        match json.get("MachineIds") {
            Some(ids) => {
                let ids: Vec<_> = decoded(ids)?;
                serde_json::to_value(TagMachines::new(value, action, ids).map_err(refused)?)
            }
            None => serde_json::to_value(TagMachine::new(value, action).map_err(refused)?),
        }
    } else if let Some(value) = text("DeviceValue") {
        serde_json::to_value(SetDeviceValue::new(value.into()))
    } else if text("Comment").is_some() {
        // Every action of a comment alone has this body.
        serde_json::to_value(CancelMachineAction::new(comment).map_err(refused)?)
    } else {
        let mut update = UpdateMachine::new();
        if let Some(tags) = json.get("machineTags") {
            update = update.machine_tags(decoded::<Vec<String>>(tags)?);
        }
        if let Some(value) = text("deviceValue") {
            update = update.device_value(value.into());
        }
        serde_json::to_value(update)
    };
    let made = made.map_err(|error| error.to_string())?;
    if made == *json { Ok("made anew, the same".to_owned()) } else { Err(format!("made anew it is {made}")) }
}

fn command(json: &Value) -> Option<LiveResponseCommand> {
    let params = json.get("params")?.as_array()?;
    let value = |key: &str| {
        params.iter().find(|param| param.get("key").is_some_and(|name| name == key))?.get("value")?.as_str()
    };
    Some(match json.get("type")?.as_str()? {
        "PutFile" => LiveResponseCommand::put_file(value("FileName")?),
        "RunScript" => {
            let script = LiveResponseCommand::run_script(value("ScriptName")?);
            value("Args").map_or(script.clone(), |args| script.args(args))
        }
        "GetFile" => LiveResponseCommand::get_file(value("Path")?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> (Kind, bool) {
        let (kind, outcome) = check(body.as_bytes(), None);
        (kind, outcome.is_ok())
    }

    #[test]
    fn own_fixtures_of_model_decode() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../crates/defender-model/tests/fixtures");
        assert!(json_files(&folder).unwrap().len() >= 60);
        assert_eq!(run(&folder), Ok(()));
    }

    #[test]
    fn a_body_is_known_by_its_shape() {
        for (body, kind) in [
            (r#"{"id":"a","status":"Pending"}"#, Kind::Action),
            (r#"{"id":"{machine_action_id}","type":"LiveResponse"}"#, Kind::Action),
            (r#"{"id":"a","computerDnsName":"x"}"#, Kind::Machine),
            (r#"{"value":[{"id":"a","machineId":"b"}]}"#, Kind::Page),
            (r#"{"value":"\"https://x\""}"#, Kind::Link),
            (r#"{"error":{"code":"NotFound"}}"#, Kind::Problem),
            ("<html>", Kind::Problem),
            (r#"{"Comment":"x","ScanType":"Full"}"#, Kind::Request),
            (r#"{"machineTags":["x"]}"#, Kind::Request),
            (r#"{"script_output":"x"}"#, Kind::Transcript),
            ("4", Kind::Other),
        ] {
            assert_eq!(of(body), (kind, true), "{body}");
        }
    }

    #[test]
    fn what_is_lost_or_not_read_fails() {
        for (body, kind) in [
            (r#"{"type":"Isolate"}"#, Some(Kind::Action)),
            (r#"{"value":[{"id":"a/b","machineId":"b"}]}"#, None),
            (r#"{"value":""}"#, Some(Kind::Link)),
            (r#"{"Comment":"x","Sha1":"not a hash"}"#, None),
            (r#"{"Comment":"x","Novel":1}"#, None),
            ("[", Some(Kind::Action)),
        ] {
            let (kind, outcome) = check(body.as_bytes(), kind);
            assert!(outcome.is_err(), "{kind:?} {body}: {outcome:?}");
        }
    }

    #[test]
    fn only_listed_normalizations_happen() {
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(
            normal(json(r#"{"a":null,"lastUpdateTimeUtc":"2020-01-01T00:00:00.10Z"}"#)),
            json(r#"{"lastUpdateDateTimeUtc":"2020-01-01T00:00:00.1Z"}"#)
        );
        assert_eq!(
            normal(json(r#"{"status":"canceled","scope":"","firstSeen":""}"#)),
            json(r#"{"status":"Cancelled","scope":""}"#)
        );
        assert_ne!(normal(json(r#"{"a":1}"#)), normal(json(r#"{"a":2}"#)));
    }
}
