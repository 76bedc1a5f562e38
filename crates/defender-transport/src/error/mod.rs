//! Errors of an exchange without a response, and whether the request can have been processed.

use std::{error::Error as StdError, fmt, time::Duration};

use http::StatusCode;

/// An exchange that gave no response, or a response whose body broke off.
///
/// The question that matters for a request with an effect is [`never_sent`](Self::never_sent). If it is false, the
/// request may have taken effect.
///
/// `{}` is one line: what failed, on what, why, and the advice, if known. `{:#}` adds the causes.
///
/// ```no_run
/// use defender_transport::{ErrorKind, Transport};
///
/// # async fn example(transport: impl Transport, request: http::Request<bytes::Bytes>) {
/// match transport.send(request).await {
///     Ok(response) => println!("{}", response.status()),
///     Err(error) if error.never_sent() => eprintln!("safe to send again: {error}"),
///     Err(error) if error.kind() == ErrorKind::Timeout => eprintln!("may have taken effect: {error}"),
///     Err(error) => eprintln!("{error:#}"), // with all causes
/// }
/// # }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    never_sent: bool,
    permanent: bool,
    late: bool,
    response_status: Option<StatusCode>,
    retry_after: Option<Duration>,
    attempts: u32,
    context: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The transport or the request has an invalid configuration: a URL without a host, a scheme that is not allowed.
    /// *Was it sent?* No. *What to do:* fix what the message names.
    Request,
    /// No connection was opened: name resolution, refusal, TLS, proxy.
    /// *Was it sent?* No. *What to do:* send again later; where [`Error::is_permanent`], as with an unknown CA or a proxy that
    /// refuses, fix what the message names first.
    Connect,
    /// There was no credential to send: a layer that authorizes could not get a token.
    /// *Was it sent?* No. *What to do:* see the source, which is the credential's own error. A credential that has retried
    /// by itself, or was refused for good, reports that with [`Error::permanent`], and is not asked again.
    Credential,
    /// A limit of time ran out.
    /// *Was it sent?* Unknown, unless [`Error::never_sent`] reports otherwise, such as for a call that was still in a queue.
    /// *What to do:* if it was never sent, send again after [`Error::retry_after`]; else find out first if it took effect.
    Timeout,
    /// The connection broke after the request was, or may have been, sent.
    /// *Was it sent?* Unknown, unless [`Error::never_sent`] reports otherwise, such as for a stream that the server refused.
    /// *What to do:* if it was never sent, send again; else find out first if it took effect.
    Interrupted,
    /// The response is not HTTP, or breaks its rules.
    /// *Was it sent?* Unknown, unless [`Error::never_sent`] reports otherwise. *What to do:* check that the URL leads to a
    /// web server.
    Protocol,
    /// The response's body, or its head, is larger than the reader allows.
    /// *Was it sent?* Yes, and a response came. *What to do:* raise the limit, if the size is as it should be.
    TooLarge,
    /// The response's body cannot be decoded: its compression is broken.
    /// *Was it sent?* Yes, and a response came: see [`Error::response_status`]. *What to do:* send again, if a second request
    /// does no harm; if it still fails, report it to the operator of the server, or of the gateway before it.
    Decode,
    /// A response that the intended server did not write: the block page of a proxy, a captive portal, a gateway's own error.
    /// Its status shows nothing about the request: see [`Error::response_status`].
    /// *Was it sent?* Unknown: an intermediary may have forwarded the request before it responded in the server's place.
    /// *What to do:* check the proxy, portal or gateway between this machine and the server; find out whether the request took
    /// effect before sending it again.
    ForeignResponse,
}

impl ErrorKind {
    /// Returns true if an error of this kind always comes from before the request was sent.
    const fn is_before_sending(self) -> bool {
        matches!(self, Self::Request | Self::Connect | Self::Credential)
    }

    /// Returns true if an error of this kind would be the same the next time: the request stays as it is, and the response has
    /// the same size.
    const fn is_permanent(self) -> bool {
        matches!(self, Self::Request | Self::TooLarge)
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Request => "the request cannot be sent",
            Self::Connect => "could not connect",
            Self::Credential => "there is no credential to send",
            Self::Timeout => "timed out",
            Self::Interrupted => "the connection broke before the response was complete",
            Self::Protocol => "the response is not valid HTTP",
            Self::TooLarge => "the response is too large",
            Self::Decode => "the response cannot be decoded",
            Self::ForeignResponse => "the response was not written by the intended server",
        }
    }
}

impl Error {
    /// An error of `kind`. Of [`Timeout`](ErrorKind::Timeout) and [`Interrupted`](ErrorKind::Interrupted) it is taken
    /// that the request may have been processed; [`not_sent`](Self::not_sent) says otherwise.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            never_sent: kind.is_before_sending(),
            permanent: kind.is_permanent(),
            late: matches!(kind, ErrorKind::Timeout),
            response_status: None,
            retry_after: None,
            attempts: 1,
            context: None,
            source: None,
        }))
    }

    /// Adds the operation, or its target, in a text that follows the kind's. Never a secret.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.0.context = Some(context.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Marks an error after which the server certainly has not processed the request, which a kind alone cannot state.
    #[must_use]
    pub fn not_sent(mut self) -> Self {
        self.0.never_sent = true;
        self
    }

    /// Adds the status of a response whose head had come before the response broke off. The request was sent, then.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.never_sent = false;
        self.0.response_status = Some(status);
        self
    }

    /// Marks an error that another attempt would bring again, or whose source has retried already.
    /// [`Request`](ErrorKind::Request) and [`TooLarge`](ErrorKind::TooLarge) are so by themselves.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.0.permanent = true;
        self
    }

    /// Adds the time during which another attempt would be of no use.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Marks an error of a time limit, if its kind names the step that came too late.
    #[must_use]
    pub(crate) fn for_being_late(mut self) -> Self {
        self.0.late = true;
        self
    }

    /// Adds the number of the attempt that ended in this error.
    #[must_use]
    pub(crate) fn after_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Takes [`never_sent`](Self::never_sent) back: an earlier attempt of the same call may have been processed.
    #[must_use]
    pub(crate) fn perhaps_sent(mut self) -> Self {
        self.0.never_sent = false;
        self
    }

    /// Kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns true if it is certain that the server has not processed the request, so that even a request with an effect may be
    /// sent again.
    #[must_use]
    pub fn never_sent(&self) -> bool {
        self.0.never_sent
    }

    /// Returns true if another attempt would bring the same error, so that [`Retrying`](crate::Retrying) makes none.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.0.permanent
    }

    /// Returns true if a time limit ended the exchange: each [`Timeout`](ErrorKind::Timeout), and a
    /// [`Connect`](ErrorKind::Connect) whose connection was not opened in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.late
    }

    /// The status of the response whose body broke off; `None` if no head of a response came.
    ///
    /// A status of 2xx says that the request took effect, though the server's response is lost.
    #[must_use]
    pub fn response_status(&self) -> Option<StatusCode> {
        self.0.response_status
    }

    /// Time during which another attempt would be of no use, if known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Number of attempts of the call, the last one included: more than one only if
    /// [`Retrying`](crate::Retrying) sent it again.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Takes the cause, to be kept in an error of another kind.
    #[must_use]
    pub fn into_source(self) -> Option<Box<dyn StdError + Send + Sync>> {
        self.0.source
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.words())?;
        if let Some(context) = &self.0.context {
            write!(f, ": {context}")?;
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
        let Inner { kind, never_sent, permanent, late, response_status, retry_after, attempts, context, source } =
            &*self.0;
        let mut shown = f.debug_struct("Error");
        shown.field("kind", kind).field("never_sent", never_sent);
        for (name, flag) in [("permanent", permanent), ("timeout", late)] {
            if *flag {
                shown.field(name, flag);
            }
        }
        if let Some(status) = response_status {
            shown.field("response_status", &status.as_u16());
        }
        if let Some(wait) = retry_after {
            shown.field("retry_after", wait);
        }
        if *attempts > 1 {
            shown.field("attempts", attempts);
        }
        if let Some(context) = context {
            shown.field("context", context);
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
mod tests;
