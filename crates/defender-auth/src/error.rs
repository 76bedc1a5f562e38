//! Errors of requests for a token.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use crate::EntraError;

/// Error of a request for a token. Holds no secret. Cheap to clone: all callers that waited for one token get the same error.
///
/// `{}` is one line: what failed, on what, why, and the advice, if known. `{:#}` adds the causes.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    context: String,
    entra: Option<EntraError>,
    status: Option<u16>,
    retryable: bool,
    unseen: bool,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Reason for which there is no token.
///
/// *Was it sent?* is about the request for the token and what is secret in it. The API's own request, for which the token was
/// wanted, is never sent without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The description of the credential is incomplete, malformed, or does not fit the cloud.
    ///
    /// *Was it sent?* No. *What to do:* the message names the setting; change it. A second request fails in the same way.
    Configuration,
    /// The token endpoint was not reached, or its response broke off.
    ///
    /// *Was it sent?* Perhaps; a second request for a token only gives a second token. It was retried a few times already.
    /// *What to do:* look at the cause (a name that is not known, a proxy, a certificate), and try again later.
    Transport,
    /// The token endpoint refused the request.
    ///
    /// *Was it sent?* Yes, and a response came. *What to do:* [`Error::entra`] has the code, the AADSTS number and a sentence of
    /// advice. Unless [`Error::is_retryable`], the refusal stays until its cause is fixed.
    Refused,
    /// The token endpoint's response is not a token: a page of a proxy or a portal, a redirect, a token that has
    /// ended or that no header can carry.
    ///
    /// *Was it sent?* Yes. *What to do:* check the authority, and any proxy or portal in between; if [`Error::is_retryable`],
    /// as after a 503, try again later.
    Response,
    /// A person was asked to sign in and did not, or could not be asked.
    ///
    /// *Was it sent?* No token was requested. *What to do:* request it again when the person is present.
    SignIn,
    /// The person who was asked to sign in declined.
    ///
    /// *Was it sent?* No token was requested. *What to do:* request it again only when the person agrees; a request at once
    /// only asks the person again.
    Declined,
    /// A foreign credential, store or program failed in its own way.
    ///
    /// *Was it sent?* Only that credential knows. *What to do:* look at the message and the cause.
    Other,
}

impl ErrorKind {
    const fn words(self) -> &'static str {
        match self {
            Self::Configuration => "invalid configuration of the credential",
            Self::Transport => "the token endpoint was not reached",
            Self::Refused => "the token was refused",
            Self::Response => "the token endpoint's response is not a token",
            Self::SignIn => "nobody has signed in",
            Self::Declined => "the person declined the sign-in",
            Self::Other => "there is no token",
        }
    }
}

impl Error {
    /// An error of `kind`.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        let retryable = matches!(kind, ErrorKind::Transport);
        Self(Arc::new(Inner {
            kind,
            context: String::new(),
            entra: None,
            status: None,
            retryable,
            unseen: false,
            retry_after: None,
            source: None,
        }))
    }

    /// Adds the reason and the advice. Never a secret.
    #[must_use]
    pub fn context(self, context: impl Into<String>) -> Self {
        self.with(|inner| inner.context = context.into())
    }

    /// Adds the advice to the reason.
    pub(crate) fn advising(self, advice: &str) -> Self {
        let context = format!("{}; {advice}", self.0.context);
        self.context(context)
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.source = Some(Arc::new(source)))
    }

    /// Sets whether the same request may succeed later, if the kind of the error does not decide it.
    #[must_use]
    pub fn retryable(self, retryable: bool) -> Self {
        self.with(|inner| inner.retryable = retryable)
    }

    /// Error that the token endpoint reported: [`ErrorKind::Refused`], or [`ErrorKind::Declined`] if a person declined.
    #[must_use]
    pub fn refused(entra: EntraError) -> Self {
        let passing = entra.is_passing();
        let kind = if entra.is_declined() { ErrorKind::Declined } else { ErrorKind::Refused };
        Self::new(kind).with(|inner| inner.entra = Some(entra)).retryable(passing)
    }

    /// An exchange that ended with `error`. A fault of the request itself would be the same again.
    pub(crate) fn unreached(error: defender_transport::Error) -> Self {
        use defender_transport::ErrorKind as Wire;
        let kind = if error.kind() == Wire::TooLarge { ErrorKind::Response } else { ErrorKind::Transport };
        // An error that the transport marks as lasting, such as an unknown CA or a refused proxy password, is never asked again.
        let passing =
            !error.is_permanent() && !matches!(error.kind(), Wire::TooLarge | Wire::Request | Wire::Credential);
        let (unseen, retry_after) = (error.never_sent(), error.retry_after());
        // This error's own line has the reason why it was not reached, and `source()` only the cause of that.
        let told = Self::new(kind).context(error.to_string()).retryable(passing).with(|inner| {
            inner.unseen = unseen;
            inner.retry_after = retry_after;
        });
        match error.into_source() {
            Some(source) => told.with(|inner| inner.source = Some(source.into())),
            None => told,
        }
    }

    /// Adds the status of the response, and the time for which it asked for no further request. After a 408, a 429 and a 5xx
    /// the error is retryable.
    #[must_use]
    pub fn with_status(self, status: http::StatusCode, retry_after: Option<Duration>) -> Self {
        self.with(|inner| {
            inner.status = Some(status.as_u16());
            inner.retryable |= matches!(status.as_u16(), 408 | 429 | 500..=599);
            inner.unseen |= status.as_u16() == 429;
            inner.retry_after = inner.retry_after.or(retry_after);
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Reason for which there is no token.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Error that the token endpoint reported.
    #[must_use]
    pub fn entra(&self) -> Option<&EntraError> {
        self.0.entra.as_ref()
    }

    /// Status of the token endpoint's response, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// Returns true if the same request may succeed later, with nothing changed: no connection, a 429, a 5xx, or an endpoint
    /// that states so.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Time for which the token endpoint asked for no further request.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns true if the endpoint certainly has not looked at the request.
    #[cfg(feature = "browser")]
    pub(crate) fn is_unseen(&self) -> bool {
        self.0.unseen
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(entra) = &self.0.entra {
            let what = if self.0.kind == ErrorKind::Declined { ErrorKind::Declined } else { ErrorKind::Refused };
            write!(f, "{}: {entra}", what.words())?;
        } else {
            f.write_str(self.0.kind.words())?;
            if !self.0.context.is_empty() {
                write!(f, ": {}", self.0.context)?;
            }
        }
        if f.alternate() {
            let mut next = StdError::source(self);
            while let Some(cause) = next {
                write!(f, ": {cause}")?;
                next = cause.source();
            }
        }
        Ok(())
    }
}

/// Shows only the fields that are set.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, context, entra, status, retryable, unseen: _, retry_after, source } = &*self.0;
        let mut shown = f.debug_struct("Error");
        shown.field("kind", kind).field("retryable", retryable);
        if !context.is_empty() {
            shown.field("context", context);
        }
        if let Some(entra) = entra {
            shown.field("entra", entra);
        }
        if let Some(status) = status {
            shown.field("status", status);
        }
        if let Some(wait) = retry_after {
            shown.field("retry_after", wait);
        }
        if let Some(source) = source {
            shown.field("source", source);
        }
        shown.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_and_debug_show_set_fields_only() {
        assert_eq!(format!("{:?}", Error::new(ErrorKind::SignIn)), "Error { kind: SignIn, retryable: false }");
        let inner = defender_transport::Error::new(defender_transport::ErrorKind::Interrupted).context("by b");
        let cause = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "reset");
        let error = Error::unreached(inner.caused_by(cause));
        let line = "the token endpoint was not reached: the connection broke before the response was complete: by b";
        assert_eq!(error.to_string(), line);
        assert_eq!(format!("{error:#}"), format!("{line}: reset"));
        let error = error.with_status(http::StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(7)));
        let shown = format!("{error:?}");
        assert!(
            !shown.contains("None") && shown.contains("status: 503") && shown.contains("retry_after: 7s"),
            "{shown}"
        );
    }

    #[test]
    fn lasting_errors_are_not_retryable() {
        use defender_transport::ErrorKind as Wire;
        for (error, retryable) in [
            (defender_transport::Error::new(Wire::Connect), true),
            (defender_transport::Error::new(Wire::Connect).permanent(), false),
            (defender_transport::Error::new(Wire::Interrupted), true),
            (defender_transport::Error::new(Wire::Request), false),
            (defender_transport::Error::new(Wire::TooLarge), false),
        ] {
            let told = format!("{error}");
            assert_eq!(Error::unreached(error).is_retryable(), retryable, "{told}");
        }
    }
}
