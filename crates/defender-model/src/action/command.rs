//! Live response commands in the record of an action.

use jiff::Timestamp;

use crate::wire::{open_enum::open_enum, resource::resource};

open_enum! {
    /// Status of a live response command.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response>, and the service's OData metadata for
    /// `Submitted`, `PendingResource` and `Executing`.
    CommandStatus {
        /// The command waits for its turn.
        Created = "Created",
        /// The command was passed to the machine.
        Submitted = "Submitted",
        /// The command waits for a resource on the machine.
        PendingResource = "PendingResource",
        /// The command is running.
        Executing = "Executing",
        /// The command has succeeded.
        Completed = "Completed",
        /// The command has failed; later commands of the session are not run.
        Failed = "Failed",
    }
}

resource! {
    /// One command of a live response session, with its outcome.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machineaction>.
    pub struct CommandRecord ("a live response command") {
        /// Position in the session, from 0.
        index: Option<i32> = "index",
        /// Start of the command.
        start_time: Option<Timestamp> = "startTime",
        /// End of the command.
        end_time: Option<Timestamp> = "endTime",
        /// Status of the command; `""` if the record has none.
        command_status: CommandStatus = "commandStatus",
        /// Errors of the command, in the service's text.
        errors: Option<Vec<String>> = "errors",
        /// The command as it was requested.
        command: Option<RecordedCommand> = "command",
    }
}

resource! {
    /// The request of a live response command.
    pub struct RecordedCommand ("the request of a live response command") {
        /// `PutFile`, `RunScript` or `GetFile`. The service's OData metadata also has `RunPowerShell`.
        command_type: Option<String> = "type",
        /// Parameters of the command.
        params: Option<Vec<CommandParam>> = "params",
    }
}

resource! {
    /// One parameter of a live response command.
    pub struct CommandParam ("a parameter of a live response command") {
        /// Name of the parameter, such as `ScriptName`.
        key: Option<String> = "key",
        /// Value of the parameter.
        value: Option<String> = "value",
    }
}
