//! The errors of a start.

use std::{error::Error as StdError, fmt};

/// An error of the start of an [`Emulator`](crate::Emulator): it names what failed, and what to do about it.
#[derive(Debug)]
pub struct Error {
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn bind(port: u16, source: std::io::Error) -> Self {
        let message = format!("cannot listen on 127.0.0.1:{port}; choose another port, or 0 for any that is free");
        Self { message, source: Some(source.into()) }
    }

    pub(crate) fn tls(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let message =
            "cannot make a certificate or set up TLS with it; this is a fault of the emulator, please report it";
        Self { message: message.to_owned(), source: Some(source.into()) }
    }

    pub(crate) fn certificate(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let message = "cannot use the certificate and its key; both must be PEM, and belong together";
        Self { message: message.to_owned(), source: Some(source.into()) }
    }

    pub(crate) fn state_dir(path: &std::path::Path, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let message = format!("cannot use {} to keep the emulator's state", path.display());
        Self { message, source: Some(source.into()) }
    }

    pub(crate) fn random() -> Self {
        Self { message: "the system gives no random bytes; check its entropy source".to_owned(), source: None }
    }

    pub(crate) fn role(name: &str, known: &[&str]) -> Self {
        let message = format!("unknown role `{name}`; expected one of {}", known.join(", "));
        Self { message, source: None }
    }

    pub(crate) fn machine(id: &str) -> Self {
        Self { message: format!("unknown machine {id}, which is to be offline"), source: None }
    }
}

impl Error {
    /// `what` is the state or its file; `why` has the place in it, and the defect.
    pub(crate) fn state(what: &str, why: &str) -> Self {
        Self { message: format!("{what} cannot be used: {why}"), source: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
