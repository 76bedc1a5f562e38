//! Why there is no token.

use std::{error::Error as StdError, fmt, sync::Arc};

use crate::EntraError;

/// There is no token, and why. Holds no secret. Cheap to clone: everyone who waited for one token gets the same error.
#[derive(Clone, Debug)]
pub struct Error(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: ErrorKind,
    context: String,
    entra: Option<EntraError>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The description of the credential is incomplete or malformed. Nothing was sent.
    Configuration,
    /// The token endpoint was not reached, or its answer broke off. Try again later.
    Transport,
    /// The token endpoint said no: see [`Error::entra`].
    Refused,
    /// The token endpoint answered something that is no token.
    Response,
    /// A person was asked to sign in and did not, or could not be asked. Ask again.
    SignIn,
    /// A credential of somebody else's failed in its own way.
    Other,
}

impl Error {
    /// An error of `kind`.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self(Arc::new(Inner { kind, context: String::new(), entra: None, source: None }))
    }

    /// Says what was wrong and what to do. Never a secret.
    #[must_use]
    pub fn context(self, context: impl Into<String>) -> Self {
        self.with(|inner| inner.context = context.into())
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.source = Some(Arc::new(source)))
    }

    pub(crate) fn refused(entra: EntraError) -> Self {
        Self::new(ErrorKind::Refused).with(|inner| inner.entra = Some(entra))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Why there is no token.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the token endpoint said.
    #[must_use]
    pub fn entra(&self) -> Option<&EntraError> {
        self.0.entra.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(entra) = &self.0.entra {
            return write!(f, "the token was refused: {entra}");
        }
        f.write_str(match self.0.kind {
            ErrorKind::Configuration => "the credential is not set up rightly",
            ErrorKind::Transport => "the token endpoint was not reached",
            ErrorKind::Refused => "the token was refused",
            ErrorKind::Response => "the token endpoint's answer is not a token",
            ErrorKind::SignIn => "nobody has signed in",
            ErrorKind::Other => "there is no token",
        })?;
        if self.0.context.is_empty() { Ok(()) } else { write!(f, ": {}", self.0.context) }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
