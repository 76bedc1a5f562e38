//! Live response: commands that run on a machine.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeStruct};

use crate::{Action, Comment, Error, ErrorKind, Limit, Platforms, RecordedCommand, UserRole, WithExternalId};

/// *Run live response*: runs commands on a machine, in a separate session.
///
/// - On the device: the commands run one at a time. A script ends after ten minutes at most, and a command that fails ends the
///   session. A session waits up to **two hours** for a machine that is not available (other actions: about three days). The
///   action may end as `Succeeded` although a command failed: see
///   [`MachineAction::failed_commands`](crate::MachineAction::failed_commands).
/// - Permission `Machine.LiveResponse`. A user also needs the role *Live response* (Unified RBAC: *Basic (or Advanced) live
///   response (manage)*) and access to the machine's group.
/// - 10 calls a minute; **50** sessions at a time, and 429 for more; one session a machine. Sessions that were started in the
///   portal are not in the list of actions.
/// - Plan 2. Windows 10 1909 or later (1709 or later with an update), Windows 11, Windows Server 2019 or later, macOS 11 or
///   later, and the supported Linux servers. The machine's group must have a remediation level; without one, the response is
///   403 `DisallowedOperation`, even with the permission.
/// - Errors: 400 `ActiveRequestAlreadyExists` while the machine has a session; 403 without the permission; 404 if the machine
///   does not exist.
///
/// Two runs of one script are two different actions, so [`particulars`](Action::particulars) has no rule: after a lost response,
/// a run is found only by a generated external id. Source:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response>.
///
/// ```
/// use defender_model::{LiveResponse, LiveResponseCommand as Command};
///
/// let action = LiveResponse::new(
///     "Testing live response",
///     [Command::run_script("minidump.ps1").args("OfficeClickToRun"), Command::get_file(r"C:\windows\TEMP\x.zip")],
/// )?;
/// assert_eq!(
///     serde_json::to_value(&action).unwrap(),
///     serde_json::json!({
///         "Comment": "Testing live response",
///         "Commands": [
///             {"type": "RunScript", "params": [
///                 {"key": "ScriptName", "value": "minidump.ps1"},
///                 {"key": "Args", "value": "OfficeClickToRun"},
///             ]},
///             {"type": "GetFile", "params": [{"key": "Path", "value": r"C:\windows\TEMP\x.zip"}]},
///         ],
///     })
/// );
/// # Ok::<(), defender_model::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct LiveResponse {
    /// Commands, in the order in which they run.
    pub commands: Vec<LiveResponseCommand>,
    /// Reason for the action. The service's page does not mark the comment as required; this crate requires one, for the
    /// audit trail.
    pub comment: Comment,
    /// The caller's id of the action: see [`Isolate`](crate::Isolate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

impl LiveResponse {
    /// Creates the action with its commands.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidComment`] if the comment is empty or blank.
    /// - [`ErrorKind::InvalidCommands`] if there is no command, if the commands are not in the order that the service requires
    ///   (all `PutFile`, then all `RunScript`, then all `GetFile`), or if a name or path is blank.
    pub fn new(
        comment: impl Into<String>,
        commands: impl IntoIterator<Item = LiveResponseCommand>,
    ) -> Result<Self, Error> {
        let commands: Vec<_> = commands.into_iter().collect();
        let wrong = |what: &str| Err(Error::new(ErrorKind::InvalidCommands, what));
        if commands.is_empty() {
            return wrong("live response has no command; give at least one command");
        }
        if !commands.is_sorted_by_key(LiveResponseCommand::rank) {
            return wrong("live response commands are out of order; give PutFile first, then RunScript, then GetFile");
        }
        if commands.iter().any(|command| command.target().trim().is_empty()) {
            return wrong("a live response command has a blank name or path; give the name of the file or script");
        }
        Ok(Self { commands, comment: comment.into().try_into()?, external_id: None })
    }

    /// Sets the caller's id of the action.
    #[must_use]
    pub fn external_id(mut self, external_id: impl Into<String>) -> Self {
        self.external_id = Some(external_id.into());
        self
    }
}

impl Action for LiveResponse {
    const SEGMENT: &'static str = "runliveresponse";
    const TYPE: &'static str = "LiveResponse";
    const PERMISSIONS: &'static [&'static str] = &["Machine.LiveResponse"];
    const ROLE: Option<UserRole> = Some(UserRole::LIVE_RESPONSE);
    const PLATFORMS: Platforms =
        Platforms::windows(1709, "Windows 10 1709 or later, Windows Server 2019 or later, macOS or Linux")
            .and_linux()
            .and_mac();
    const QUOTA: &'static [Limit] = &[Limit::new(10, Duration::from_secs(60))];
}

impl WithExternalId for LiveResponse {
    fn with_external_id(self, external_id: String) -> Self {
        self.external_id(external_id)
    }
}

/// One command of a live response request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LiveResponseCommand {
    /// Puts a file of the library onto the machine. The command has no result to download.
    PutFile {
        /// Name of the file in the library.
        file_name: String,
    },
    /// Runs a script of the library.
    RunScript {
        /// Name of the script in the library.
        script_name: String,
        /// Arguments of the script.
        args: Option<String>,
    },
    /// Fetches a file from the machine.
    GetFile {
        /// Path of the file on the machine.
        path: String,
    },
}

impl LiveResponseCommand {
    /// Creates a command that puts the library's `file_name` onto the machine.
    #[must_use]
    pub fn put_file(file_name: impl Into<String>) -> Self {
        Self::PutFile { file_name: file_name.into() }
    }

    /// Creates a command that runs the library's `script_name`; [`args`](Self::args) sets the arguments.
    #[must_use]
    pub fn run_script(script_name: impl Into<String>) -> Self {
        Self::RunScript { script_name: script_name.into(), args: None }
    }

    /// Creates a command that fetches the machine's file at `path`.
    #[must_use]
    pub fn get_file(path: impl Into<String>) -> Self {
        Self::GetFile { path: path.into() }
    }

    /// Sets the arguments of a script. The other commands take no arguments and stay unchanged.
    #[must_use]
    pub fn args(mut self, given: impl Into<String>) -> Self {
        if let Self::RunScript { args, .. } = &mut self {
            *args = Some(given.into());
        }
        self
    }

    /// Returns the position of the command in the order that the service requires.
    fn rank(&self) -> u8 {
        match self {
            Self::PutFile { .. } => 0,
            Self::RunScript { .. } => 1,
            Self::GetFile { .. } => 2,
        }
    }

    fn target(&self) -> &str {
        match self {
            Self::PutFile { file_name: name }
            | Self::RunScript { script_name: name, .. }
            | Self::GetFile { path: name } => name,
        }
    }
}

/// The names inside a command are in lower case, unlike the names around it.
impl Serialize for LiveResponseCommand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Param<'p> {
            key: &'static str,
            value: &'p str,
        }
        let (kind, params) = match self {
            Self::PutFile { file_name } => ("PutFile", vec![Param { key: "FileName", value: file_name }]),
            Self::RunScript { script_name, args } => {
                let name = Param { key: "ScriptName", value: script_name };
                let args = args.as_deref().map(|value| Param { key: "Args", value });
                ("RunScript", std::iter::once(name).chain(args).collect())
            }
            Self::GetFile { path } => ("GetFile", vec![Param { key: "Path", value: path }]),
        };
        let mut command = serializer.serialize_struct("LiveResponseCommand", 2)?;
        command.serialize_field("type", kind)?;
        command.serialize_field("params", &params)?;
        command.end()
    }
}

/// Reads a command that was serialized, such as in the body of a saved request.
impl<'de> Deserialize<'de> for LiveResponseCommand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = RecordedCommand::deserialize(deserializer)?;
        let params = written.params.unwrap_or_default();
        let given = |key: &str| params.iter().find(|param| param.key.as_deref() == Some(key))?.value.clone();
        let needed = |key: &str| given(key).ok_or_else(|| D::Error::custom(format!("a command has no `{key}`")));
        match written.command_type.as_deref() {
            Some("PutFile") => Ok(Self::PutFile { file_name: needed("FileName")? }),
            Some("RunScript") => Ok(Self::RunScript { script_name: needed("ScriptName")?, args: given("Args") }),
            Some("GetFile") => Ok(Self::GetFile { path: needed("Path")? }),
            _ => Err(D::Error::custom("unknown command type; expected PutFile, RunScript or GetFile")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_commands_are_refused() {
        use LiveResponseCommand as Command;
        let refused = |commands: Vec<Command>| LiveResponse::new("x", commands).unwrap_err();
        assert!(refused(vec![]).to_string().contains("at least one"));
        assert!(refused(vec![Command::get_file("a"), Command::run_script("b")]).to_string().contains("out of order"));
        assert!(refused(vec![Command::put_file(" ")]).to_string().contains("blank name"));
        let put = || Command::put_file("a");
        LiveResponse::new("x", [put(), put(), Command::run_script("b"), Command::get_file("c")]).unwrap();
    }

    #[test]
    fn live_response_has_no_rule() {
        let ours = LiveResponse::new("x", [LiveResponseCommand::run_script("a")]).unwrap();
        let same = serde_json::json!({"id": "a", "type": "LiveResponse", "requestorComment": "x"});
        assert_eq!(ours.particulars(&serde_json::from_value(same).unwrap()), None);
    }

    #[test]
    fn request_survives_a_round_trip() {
        let commands = [
            LiveResponseCommand::put_file("a.ps1"),
            LiveResponseCommand::run_script("a.ps1"),
            LiveResponseCommand::run_script("a.ps1").args("-Force"),
            LiveResponseCommand::get_file("C:\\b"),
        ];
        let written = LiveResponse::new("x", commands).unwrap().external_id("t");
        let read: LiveResponse = serde_json::from_str(&serde_json::to_string(&written).unwrap()).unwrap();
        assert_eq!(read, written);
        for wrong in [r#"{"type":"PutFile"}"#, r#"{"type":"Delete","params":[]}"#, "{}"] {
            serde_json::from_str::<LiveResponseCommand>(wrong).unwrap_err();
        }
    }

    #[test]
    fn put_file_has_a_file_name() {
        let json = serde_json::to_string(&LiveResponseCommand::put_file("a.ps1")).unwrap();
        assert_eq!(json, r#"{"type":"PutFile","params":[{"key":"FileName","value":"a.ps1"}]}"#);
    }
}
