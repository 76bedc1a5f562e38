//! The commands of a live-response session.
//!
//! Source: <https://learn.microsoft.com/defender-endpoint/api/run-live-response>.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    http::problem::Problem,
    store::lifecycle::{Life, Outcome},
};

/// The limit of concurrent sessions, on all machines.
/// It was 25 until 2025.
pub(crate) const SESSIONS: usize = 50;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) kind: CommandKind,
    /// The keys and values of the request.
    pub(crate) params: Vec<(String, String)>,
    /// The progress that the initial state gave it, in place of that by the clock.
    pub(crate) given: Option<Box<GivenCommand>>,
    /// Set if the library lacks the file that it needs, so that it fails.
    pub(crate) is_missing: bool,
}

/// The progress of a command in the initial state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenCommand {
    pub(crate) status: String,
    pub(crate) start: Option<Timestamp>,
    pub(crate) end: Option<Timestamp>,
    pub(crate) errors: Vec<String>,
}

/// The order is that of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CommandKind {
    PutFile,
    /// In the service's metadata, and on no page.
    RunPowerShell,
    RunScript,
    GetFile,
}

impl CommandKind {
    const ALL: [Self; 4] = [Self::PutFile, Self::RunPowerShell, Self::RunScript, Self::GetFile];

    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::PutFile => "PutFile",
            Self::RunPowerShell => "RunPowerShell",
            Self::RunScript => "RunScript",
            Self::GetFile => "GetFile",
        }
    }

    /// The key of the file in the library that it needs.
    fn library_key(self) -> Option<&'static str> {
        match self {
            Self::PutFile => Some("FileName"),
            Self::RunScript => Some("ScriptName"),
            Self::RunPowerShell | Self::GetFile => None,
        }
    }

    /// The keys that it takes, by the service's metadata; the first is required.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::PutFile => &["FileName", "IsExternalSource", "FileUri"],
            Self::RunScript | Self::RunPowerShell => {
                &["ScriptName", "Args", "IsExternalSource", "FileUri", "ScriptHash", "ScriptSource"]
            }
            Self::GetFile => &["Path"],
        }
    }
}

/// The progress of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandStatus {
    Created,
    Completed,
    Failed,
}

/// Reads `Commands`. That a wrong order is refused, and by which codes, is inferred: the page gives the order alone.
pub(crate) fn read(commands: Value) -> Result<Vec<Command>, Problem> {
    let Value::Array(commands) = commands else {
        return Err(Problem::bad("InvalidRequestBody", "Commands must be an array"));
    };
    if commands.is_empty() {
        return Err(Problem::bad("MissingRequiredParameter", "Commands must not be empty"));
    }
    let commands = commands.into_iter().map(command).collect::<Result<Vec<_>, _>>()?;
    if !commands.is_sorted_by_key(|command| command.kind) {
        return Err(Problem::bad("InvalidInput", "Commands must be in this order: PutFile, RunScript, GetFile"));
    }
    Ok(commands)
}

pub(crate) fn command(command: Value) -> Result<Command, Problem> {
    let mut command = object(command, &["type", "params"])?;
    let kind = text(&mut command, "type")?;
    let kind = CommandKind::ALL.into_iter().find(|known| known.type_name() == kind);
    let kind = kind.ok_or_else(|| Problem::bad("InvalidInput", "Command type is PutFile, RunScript or GetFile"))?;
    let params = match command.remove("params") {
        None => Vec::new(),
        Some(Value::Array(params)) => params.into_iter().map(param).collect::<Result<Vec<_>, _>>()?,
        Some(_) => return Err(Problem::bad("InvalidRequestBody", "params must be an array")),
    };
    if let Some((key, _)) = params.iter().find(|(key, _)| !kind.keys().contains(&key.as_str())) {
        return Err(Problem::bad("InvalidInput", format!("{} takes no parameter {key}", kind.type_name())));
    }
    if let Some(required) = kind.keys().first()
        && !params.iter().any(|(key, value)| key == required && !value.is_empty())
    {
        let message = format!("{} takes the parameter {required}", kind.type_name());
        return Err(Problem::bad("MissingRequiredParameter", message));
    }
    Ok(Command { kind, params, given: None, is_missing: false })
}

fn param(param: Value) -> Result<(String, String), Problem> {
    let mut param = object(param, &["key", "value"])?;
    Ok((text(&mut param, "key")?, text(&mut param, "value")?))
}

fn object(value: Value, names: &[&str]) -> Result<Map<String, Value>, Problem> {
    let Value::Object(object) = value else {
        return Err(Problem::bad("InvalidRequestBody", format!("An object with {} is needed", names.join(" and "))));
    };
    match object.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(Problem::bad("InvalidRequestBody", format!("Unknown property {name} of a command"))),
        None => Ok(object),
    }
}

fn text(object: &mut Map<String, Value>, name: &str) -> Result<String, Problem> {
    match object.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Problem::bad("InvalidRequestBody", format!("{name} must be a string"))),
        None => Err(Problem::bad("MissingRequiredParameter", format!("{name} is required in a command"))),
    }
}

impl Command {
    /// The value under this key.
    pub(crate) fn param(&self, key: &str) -> Option<&str> {
        self.params.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The name of the file in the library that it needs, unless it comes from elsewhere.
    pub(crate) fn library_file(&self) -> Option<&str> {
        let is_external = self.param("IsExternalSource").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        self.kind.library_key().filter(|_| !is_external).and_then(|key| self.param(key))
    }

    /// The commands of a session share its running time. `index` of `count`: from when to when.
    fn window(life: &Life, index: usize, count: usize) -> Option<(Duration, Duration)> {
        let (starts, ends) = life.run()?;
        let count = u32::try_from(count).ok().filter(|count| *count > 0)?;
        let share = ends.saturating_sub(starts) / count;
        let begins = starts.saturating_add(share.saturating_mul(u32::try_from(index).ok()?));
        Some((begins, begins.saturating_add(share)))
    }

    /// Returns `true` if the command of this place has a result at `elapsed`.
    pub(crate) fn has_completed(&self, life: &Life, (index, all): (usize, &[Self]), elapsed: Duration) -> bool {
        match &self.given {
            Some(given) => given.status == CommandStatus::Completed.type_name(),
            None => Self::status(life, (index, all), elapsed) == CommandStatus::Completed,
        }
    }

    /// The place of the command that fails, if one does: of a session that fails the first, or else the first whose file is not
    /// in the library.
    fn failing(life: &Life, all: &[Self]) -> Option<usize> {
        let missing = all.iter().position(|command| command.is_missing);
        missing.or_else(|| matches!(life.outcome(), Outcome::Failed { .. }).then_some(0))
    }

    /// Returns its progress at `elapsed`. "A failed command stops the rest".
    fn status(life: &Life, (index, all): (usize, &[Self]), elapsed: Duration) -> CommandStatus {
        match Self::window(life, index, all.len()) {
            Some((_, ends)) if life.worked(elapsed) >= ends => match Self::failing(life, all) {
                Some(failing) if index == failing => CommandStatus::Failed,
                Some(failing) if index > failing => CommandStatus::Created,
                _ => CommandStatus::Completed,
            },
            _ => CommandStatus::Created,
        }
    }

    /// Its row in a machine action whose life began at `created`; `written` writes a date.
    pub(crate) fn to_json(
        &self,
        (index, all): (usize, &[Self]),
        life: &Life,
        elapsed: Duration,
        created: Timestamp,
        written: &dyn Fn(Timestamp) -> String,
    ) -> Value {
        let at = |moment: Duration| {
            let moment = created.checked_add(moment.saturating_sub(life.born())).unwrap_or(Timestamp::MAX);
            (elapsed >= life.born()).then(|| written(moment))
        };
        let params: Vec<_> = self.params.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let command = json!({ "type": self.kind.type_name(), "params": params });
        if let Some(given) = self.given.as_deref() {
            return json!({
                "index": index,
                "startTime": given.start.map(written),
                "endTime": given.end.map(written),
                "commandStatus": given.status,
                "errors": given.errors,
                "command": command,
            });
        }
        let status = Self::status(life, (index, all), elapsed);
        let stopped = Self::failing(life, all).is_some_and(|failing| index > failing);
        let window = Self::window(life, index, all.len()).filter(|_| !stopped);
        let errors: Vec<_> =
            self.library_file().filter(|_| self.is_missing && status == CommandStatus::Failed).into_iter().collect();
        let errors: Vec<_> =
            errors.iter().map(|file| format!("The file {file} was not found in the library")).collect();
        let worked = life.worked(elapsed);
        let start = window.filter(|(begins, _)| worked >= *begins).and_then(|(begins, _)| at(begins));
        let end = window.filter(|(_, ends)| worked >= *ends).and_then(|(_, ends)| at(ends));
        json!({
            "index": index,
            "startTime": start,
            "endTime": end,
            "commandStatus": status.type_name(),
            "errors": errors,
            "command": command,
        })
    }
}

impl CommandStatus {
    fn type_name(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
        }
    }
}
