//! Bodies of requests.

use defender_model::{
    CancelMachineAction, Isolate, LiveResponse, LiveResponseCommand, RunAntiVirusScan, SetDeviceValue,
    StopAndQuarantineFile, TagAction, TagMachine, TagMachines, UpdateMachine,
};
use serde_json::Value;

use crate::both_ways::{Outcome, decoded};

/// Makes the request anew from what it says, and compares.
pub(super) fn request(json: &Value) -> Outcome {
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
