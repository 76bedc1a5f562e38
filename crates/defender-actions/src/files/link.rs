//! The links under which the service puts what an action brought home.

use std::time::Duration;

use defender_model::{ActionId, ActionStatus, ActionType, CommandStatus, DownloadLink, MachineAction};

use crate::{
    ActionHandle, DefenderClient, Error, ErrorKind,
    client::{call::Call, operation::Operation},
    wait::ended,
};

/// What an action brought home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    /// The investigation package.
    Package,
    /// The result of the live response command with this index.
    Result(u32),
}

impl LinkKind {
    pub(crate) fn words(self, action: &ActionId) -> String {
        match self {
            Self::Package => format!("the package of action {action}"),
            Self::Result(index) => format!("the result of command {index} of action {action}"),
        }
    }

    /// Returns whether an action of this type brings this home. A record that states no type may.
    fn may_be_of(self, action: &MachineAction) -> bool {
        let own = match self {
            Self::Package => ActionType::CollectInvestigationPackage,
            Self::Result(_) => ActionType::LiveResponse,
        };
        action.action_type == own || action.action_type.as_str().is_empty()
    }

    fn call(self, action: &ActionId, timeout: Option<Duration>) -> Call {
        let (below, operation) = match self {
            Self::Package => ("getPackageUri".to_owned(), Operation::PACKAGE_LINK),
            // The parentheses and what is in them stand as the page prints them.
            Self::Result(index) => {
                (format!("GetLiveResponseResultDownloadLink(index={index})"), Operation::RESULT_LINK)
            }
        };
        Call { operation, path: format!("/machineactions/{action}/{below}"), timeout, body: None }
    }

    /// Asks for a link, which is good for a short while.
    pub(crate) async fn link(
        self,
        client: &DefenderClient,
        action: &ActionId,
        timeout: Option<Duration>,
    ) -> Result<DownloadLink, Error> {
        match client.inner().call(self.call(action, timeout)).await {
            // Documented is 404 for what is not there yet; 400 has been seen, too.
            Err(error) if error.is_not_found() || error.status() == Some(400) => {
                Err(self.not_there(client, action, error).await)
            }
            link => link,
        }
    }

    /// Returns the error for a 404 or 400, which says that there is no such action, or that it is still running: the action's
    /// record tells which.
    async fn not_there(self, client: &DefenderClient, action: &ActionId, error: Error) -> Error {
        let record = match ActionHandle::new(client.clone(), action.clone()).get().await {
            Ok(record) => record,
            Err(unread) if unread.is_not_found() => return error,
            Err(unread) => return error.with_cause_if_none(unread),
        };
        // A 400 about an action of another type is a refusal for good.
        if !error.is_not_found() && !self.may_be_of(&record) {
            return error.with_action(Some(record));
        }
        if !record.status.is_terminal() {
            return Error::new(ErrorKind::NotReady)
                .context(self.words(action))
                .with_action(Some(record))
                .caused_by(error);
        }
        if record.status != ActionStatus::Succeeded && self == Self::Package {
            return ended(record).err().map_or(error, |ended| ended);
        }
        // After a 404, it may take its time to appear.
        let may_appear = error.is_not_found();
        error.retryable(may_appear).with_action(Some(record))
    }
}

/// What a command of live response leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultKind {
    Transcript,
    File,
    /// Something that this library does not know.
    Something,
}

/// Looks in the action's record whether the command has a result, so that none is asked for where there cannot be any.
pub(crate) async fn leaves(client: &DefenderClient, action: &ActionId, index: u32) -> Result<ResultKind, Error> {
    let record = ActionHandle::new(client.clone(), action.clone()).get().await?;
    let what = LinkKind::Result(index).words(action);
    let none = |why: String, record: MachineAction| {
        Err(Error::new(ErrorKind::NoResult).context(what.clone()).with_action(Some(record)).caused_by(why))
    };
    let commands = record.commands.as_deref().unwrap_or_default();
    let numbered = commands.iter().find(|command| command.index.is_some_and(|own| i64::from(own) == i64::from(index)));
    let by_place = || usize::try_from(index).ok().and_then(|place| commands.get(place)).filter(|it| it.index.is_none());
    let Some(command) = numbered.or_else(by_place) else {
        let why = format!("the action has {} commands, counted from 0", commands.len());
        return none(why, record);
    };
    let kind = command.command.as_ref().and_then(|command| command.command_type.as_deref()).unwrap_or_default();
    let leaves = match kind.to_ascii_lowercase().as_str() {
        "putfile" => {
            return none("it is a PutFile, which puts a file onto the machine and leaves nothing".to_owned(), record);
        }
        "runscript" => ResultKind::Transcript,
        "getfile" => ResultKind::File,
        _ => ResultKind::Something,
    };
    let is_open = match command.command_status {
        CommandStatus::Created | CommandStatus::Submitted | CommandStatus::PendingResource => Some("was not run"),
        CommandStatus::Executing => Some("did not come to its end"),
        _ => None,
    };
    if let Some(how) = is_open {
        if record.status.is_terminal() {
            return none(format!("it {how}, since the action ended as {}", record.status), record);
        }
        return Err(Error::new(ErrorKind::NotReady).context(what).with_action(Some(record)));
    }
    Ok(leaves)
}
