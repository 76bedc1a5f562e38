//! Links to packages and results.

use std::time::Duration;

use defender_model::{ActionId, ActionStatus, ActionType, CommandRecord, CommandStatus, DownloadLink, MachineAction};

use crate::{
    DefenderClient, Error, ErrorKind,
    client::{call::Call, operation::Operation},
    submit::record,
    wait::ended,
};

/// Kind of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    /// Investigation package.
    Package,
    /// Result of the live response command with this index.
    Result(u32),
}

impl LinkKind {
    /// Returns the context of errors.
    pub(crate) fn context(self, action: &ActionId) -> String {
        match self {
            Self::Package => format!("the package of action {action}"),
            Self::Result(index) => format!("the result of command {index} of action {action}"),
        }
    }

    /// Returns whether an action of this type may have such a link. An action of an unknown type, or without a type, may.
    fn may_be_of(self, action: &MachineAction) -> bool {
        let own = match self {
            Self::Package => ActionType::CollectInvestigationPackage,
            Self::Result(_) => ActionType::LiveResponse,
        };
        action.action_type == own || matches!(action.action_type, ActionType::Unknown(_))
    }

    /// Returns the command of the result, if the command has failed.
    fn failed_command(self, record: &MachineAction) -> Option<&CommandRecord> {
        let Self::Result(index) = self else { return None };
        recorded_command(record, index).filter(|command| command.command_status == CommandStatus::Failed)
    }

    /// Returns the call that requests the link.
    pub(crate) fn call(self, action: &ActionId) -> Call {
        let (below, operation) = match self {
            Self::Package => ("getPackageUri".to_owned(), Operation::PACKAGE_LINK),
            // Parentheses as the page prints them.
            Self::Result(index) => {
                (format!("GetLiveResponseResultDownloadLink(index={index})"), Operation::RESULT_LINK)
            }
        };
        Call::new(operation, format!("/machineactions/{action}/{below}"))
    }

    /// Requests a link, which is valid for a short time.
    pub(crate) async fn link(
        self,
        client: &DefenderClient,
        action: &ActionId,
        timeout: Option<Duration>,
    ) -> Result<DownloadLink, Error> {
        match client.inner().call(Call { timeout, ..self.call(action) }).await {
            // A link that is not available yet is documented as 404; 400 has been seen, too.
            Err(error) if error.is_not_found() || error.status() == Some(400) => {
                Err(self.unavailable(client, action, error).await)
            }
            link => link,
        }
    }

    /// Returns the error of a 404 or 400. There is no such action, or the action is still running: its record shows which.
    async fn unavailable(self, client: &DefenderClient, action: &ActionId, error: Error) -> Error {
        let record = match record::read(client, action).await {
            Ok(record) => record,
            Err(unread) if unread.is_not_found() => return error,
            Err(unread) => return error.with_cause_if_none(unread),
        };
        // An action of another type never gets the link.
        if !self.may_be_of(&record) {
            return error.retryable(false).with_action(Some(record));
        }
        if !record.status.is_terminal() {
            return Error::new(ErrorKind::NotReady)
                .context(self.context(action))
                .with_action(Some(record))
                .caused_by(error);
        }
        if record.status != ActionStatus::Succeeded && self == Self::Package {
            return ended(record).err().map_or(error, |ended| ended);
        }
        if let Some(command) = self.failed_command(&record) {
            return Error::new(ErrorKind::NoResult)
                .sent()
                .context(self.context(action))
                .message(failed_without_result(command))
                .with_action(Some(record))
                .caused_by(error);
        }
        // After a 404 the link may still appear.
        let may_appear = error.is_not_found();
        error.retryable(may_appear).with_action(Some(record))
    }
}

/// Kind of the result of a live response command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultKind {
    Transcript,
    File,
    /// Result of a command type that this library does not know.
    Unknown,
}

/// Returns the kind of the command's result by the action's record, and the record, or the error of a command without a result.
pub(crate) async fn result_kind(
    client: &DefenderClient,
    action: &ActionId,
    index: u32,
) -> Result<(ResultKind, MachineAction), Error> {
    let record = record::read(client, action).await?;
    match recorded_kind(&record, index) {
        Ok(kind) => Ok((kind, record)),
        Err(error) => Err(error.context(LinkKind::Result(index).context(action)).with_action(Some(record))),
    }
}

fn recorded_kind(record: &MachineAction, index: u32) -> Result<ResultKind, Error> {
    let has_ended = record.status.is_terminal();
    let no_result = |why: String| Err(Error::new(ErrorKind::NoResult).caused_by(why));
    let Some(command) = recorded_command(record, index) else {
        return match record.commands.as_deref().unwrap_or_default().len() {
            // A record without commands excludes no result. The response to the link decides, at once if the action is of another type.
            0 if has_ended || !LinkKind::Result(index).may_be_of(record) => Ok(ResultKind::Unknown),
            0 => Err(Error::new(ErrorKind::NotReady)),
            count => no_result(format!("the action has {count} commands, counted from 0")),
        };
    };
    let kind = command.command.as_ref().and_then(|command| command.command_type.as_deref()).unwrap_or_default();
    let result = match kind.to_ascii_lowercase().as_str() {
        "putfile" => return no_result("PutFile puts a file onto the machine and has no result".to_owned()),
        "runscript" => ResultKind::Transcript,
        "getfile" => ResultKind::File,
        _ => ResultKind::Unknown,
    };
    let open_state = match command.command_status {
        CommandStatus::Created | CommandStatus::Submitted | CommandStatus::PendingResource => "was not run",
        CommandStatus::Executing => "did not end",
        _ => return Ok(result),
    };
    if has_ended {
        return no_result(format!("the command {open_state}, since the action ended as {}", record.status));
    }
    Err(Error::new(ErrorKind::NotReady))
}

/// Returns the command with this index in the record, by its number, or by its place if it has no number.
fn recorded_command(record: &MachineAction, index: u32) -> Option<&CommandRecord> {
    let commands = record.commands.as_deref().unwrap_or_default();
    let numbered = commands.iter().find(|command| command.index.is_some_and(|own| i64::from(own) == i64::from(index)));
    let by_place = || usize::try_from(index).ok().and_then(|place| commands.get(place)).filter(|it| it.index.is_none());
    numbered.or_else(by_place)
}

/// Returns the message about a failed command that has left no result, with the service's text.
fn failed_without_result(command: &CommandRecord) -> String {
    let errors = command.errors.as_deref().unwrap_or_default().join("; ");
    let separator = if errors.trim().is_empty() { "" } else { ": " };
    format!("the command failed and has no result{separator}{errors}")
}
