//! The commands of a live response session, as an action carries them.

use jiff::Timestamp;

use crate::wire::{open_enum::open_enum, resource::resource};

open_enum! {
    /// How far a command of a live response session is.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response>, and the service's OData metadata for
    /// `Submitted`, `PendingResource` and `Executing`.
    CommandStatus {
        /// It waits for its turn.
        Created = "Created",
        /// It was handed on to the machine.
        Submitted = "Submitted",
        /// It waits for something on the machine.
        PendingResource = "PendingResource",
        /// It runs.
        Executing = "Executing",
        /// It is done.
        Completed = "Completed",
        /// It did not succeed, and those after it are not run.
        Failed = "Failed",
    }
}

resource! {
    /// One command of a live response session and what became of it.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machineaction>.
    pub struct CommandRecord ("a live response command") {
        /// Its place in the session, from 0.
        index: Option<i32> = "index",
        /// When it began.
        start_time: Option<Timestamp> = "startTime",
        /// When it ended.
        end_time: Option<Timestamp> = "endTime",
        /// How far it is; `""` where nothing was said.
        command_status: CommandStatus = "commandStatus",
        /// What went wrong, in the service's words.
        errors: Option<Vec<String>> = "errors",
        /// What was asked for.
        command: Option<RecordedCommand> = "command",
    }
}

resource! {
    /// What a live response command was asked to do.
    pub struct RecordedCommand ("the request of a live response command") {
        /// `PutFile`, `RunScript` or `GetFile`; the metadata has `RunPowerShell`, too.
        command_type: Option<String> = "type",
        /// With what.
        params: Option<Vec<CommandParam>> = "params",
    }
}

resource! {
    /// One parameter of a live response command.
    pub struct CommandParam ("a parameter of a live response command") {
        /// Its name, such as `ScriptName`.
        key: Option<String> = "key",
        /// Its value.
        value: Option<String> = "value",
    }
}
