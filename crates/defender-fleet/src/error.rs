//! The error of a fleet.

use std::{error::Error as StdError, fmt};

use defender_store::StoreError;

/// Failure of a plan or a run: what failed, on what, and what to do.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Kind of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The tenants, their settings or the targets are invalid.
    Configuration,
    /// The fleet has no tenant of this exact name.
    UnknownTenant,
    /// The plan has lapsed.
    PlanLapsed,
    /// The plan was changed after it was made: its hash is another.
    PlanChanged,
    /// The plan is for another tenant or another service.
    PlanOfAnotherTenant,
    /// The plan has more machines than its maximum.
    TooManyMachines,
    /// The plan has the form of a newer version of this crate.
    PlanVersion,
    /// The plan cannot be read or written.
    PlanFile,
    /// The store has no run with this id.
    UnknownRun,
    /// The store failed.
    Store,
    /// A call of the service failed: the source is its [`Error`](defender_actions::Error).
    Service,
}

impl ErrorKind {
    /// Returns the name of the kind, in lower case with hyphens. It ends each message, in brackets.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::UnknownTenant => "unknown-tenant",
            Self::PlanLapsed => "plan-lapsed",
            Self::PlanChanged => "plan-changed",
            Self::PlanOfAnotherTenant => "plan-of-another-tenant",
            Self::TooManyMachines => "too-many-machines",
            Self::PlanVersion => "plan-version",
            Self::PlanFile => "plan-file",
            Self::UnknownRun => "unknown-run",
            Self::Store => "store",
            Self::Service => "service",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Creates an error of the configuration, for the settings of a tenant: what is wrong, and what to do. No secret.
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Configuration, message)
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Message without the name of the kind.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Returns the error of the call, if a call of the service failed.
    #[must_use]
    pub fn service(&self) -> Option<&defender_actions::Error> {
        self.source.as_deref()?.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.service() {
            // The message of a call ends with the name of its kind, which troubleshooting has.
            Some(service) if self.message.ends_with(&format!("[{}]", service.kind().name())) => {
                f.write_str(&self.message)
            }
            _ => write!(f, "{} [{}]", self.message, self.kind.name()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::new(ErrorKind::Store, error.to_string()).caused_by(error)
    }
}

/// Error of a call, or of the settings of a client. A closure of [`Tenant::new`](crate::Tenant::new) returns it by `?`.
impl From<defender_actions::Error> for Error {
    fn from(error: defender_actions::Error) -> Self {
        let kind = match error.kind() {
            defender_actions::ErrorKind::Configuration => ErrorKind::Configuration,
            _ => ErrorKind::Service,
        };
        Self::new(kind, error.to_string()).caused_by(error)
    }
}
