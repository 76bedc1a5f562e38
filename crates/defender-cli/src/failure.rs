//! Exit codes, and the error that leads to one.

use std::{fmt, process::ExitCode};

use defender_actions::{Error as ServiceError, ErrorKind as ServiceKind};
use defender_fleet::{Error as FleetError, ErrorKind as FleetKind};

/// Exit code of the program. Of several, the greatest says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Everything succeeded.
    Success,
    /// Something failed.
    Failed,
    /// The command line or the configuration is invalid. Nothing was sent.
    Usage,
    /// The sign-in failed, or a permission is missing.
    Denied,
    /// The outcome of at least one action is unknown.
    Unknown,
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

impl Exit {
    /// Returns the number that the shell gets.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Usage => 1,
            Self::Failed => 2,
            Self::Unknown => 3,
            Self::Denied => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Failure of a command: its exit code, and a line that says what failed and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Returns the failure of an invalid command line or configuration.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Returns the failure of a command that a person stopped.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Exit::Interrupted, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Returns the exit code of an error of a call.
pub(crate) fn exit_of(error: &ServiceError) -> Exit {
    // A list or a record that cannot be read says nothing of a request that was sent. What answers such a request has a status.
    let is_read = error.is_retryable() || error.row().is_some() || error.status().is_none();
    let is_unknown = error.is_outcome_unknown() || error.kind() == ServiceKind::InvalidResponse && !is_read;
    if is_unknown { Exit::Unknown } else { exit_of_kind(error.kind()) }
}

fn exit_of_kind(kind: ServiceKind) -> Exit {
    match kind {
        ServiceKind::Configuration | ServiceKind::Request => Exit::Usage,
        ServiceKind::Credential | ServiceKind::Unauthorized | ServiceKind::Forbidden => Exit::Denied,
        ServiceKind::OutcomeUnknown => Exit::Unknown,
        _ => Exit::Failed,
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self::new(exit_of(&error), error.to_string())
    }
}

impl From<FleetError> for Failure {
    fn from(error: FleetError) -> Self {
        let exit = match (error.kind(), error.service()) {
            (_, Some(service)) => exit_of(service),
            (FleetKind::Store | FleetKind::Service, None) => Exit::Failed,
            _ => Exit::Usage,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<defender_actions::model::Error> for Failure {
    fn from(error: defender_actions::model::Error) -> Self {
        Self::usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use defender_actions::{DefenderClient, auth::StaticCredential, transport::testing::Capture};
    use futures_util::StreamExt;

    use super::*;

    /// A script takes 3 for an action that may have been done.
    #[tokio::test]
    async fn unreadable_record_is_no_unknown_outcome() {
        let client = |response| {
            let service = Capture::answering(http::Response::new(response));
            DefenderClient::builder().credential(StaticCredential::new("token")).transport(service).build().unwrap()
        };
        let namesake = client(r#"{"value": [{"computerDnsName": "ws-1"}]}"#);
        let found = namesake.machines().find_all(["ws-1"]).send().await.unwrap();
        let link = client(r#"{"value": [], "@odata.nextLink": "https://api.security.microsoft.com/elsewhere"}"#);
        let listed = link.actions().stream().next().await.unwrap();
        for error in [found.into_iter().next().unwrap().1.unwrap_err(), listed.unwrap_err()] {
            assert_eq!((error.kind(), exit_of(&error)), (ServiceKind::InvalidResponse, Exit::Failed), "{error}");
        }
    }

    #[test]
    fn exit_follows_error_kind() {
        for (kind, exit) in [
            (ServiceKind::Configuration, 1),
            (ServiceKind::NotFound, 2),
            (ServiceKind::OutcomeUnknown, 3),
            (ServiceKind::InvalidResponse, 2),
            (ServiceKind::Credential, 4),
            (ServiceKind::Forbidden, 4),
        ] {
            assert_eq!(exit_of_kind(kind).code(), exit, "{kind:?}");
        }
    }
}
