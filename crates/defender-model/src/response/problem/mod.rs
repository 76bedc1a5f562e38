//! What the service says when it does not do what was asked.

mod read;
#[cfg(test)]
mod tests;

use std::fmt;

use self::read::Parts;
use crate::{sanitize_line, wire::open_enum::open_enum};

open_enum! {
    /// The service's word for what went wrong.
    ///
    /// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/common-errors>; `ActiveRequestAlreadyExists` is on
    /// the page of live response only.
    Code {
        /// 400: the request is wrong.
        BadRequest = "BadRequest",
        /// 400: an OData query is wrong.
        ODataError = "ODataError",
        /// 400: a value is wrong.
        InvalidInput = "InvalidInput",
        /// 400: the body is not what it should be, its letter case included.
        InvalidRequestBody = "InvalidRequestBody",
        /// 400: a hash is none.
        InvalidHashValue = "InvalidHashValue",
        /// 400: a domain name is none.
        InvalidDomainName = "InvalidDomainName",
        /// 400: an IP address is none.
        InvalidIpAddress = "InvalidIpAddress",
        /// 400: a URL is none.
        InvalidUrl = "InvalidUrl",
        /// 400: too many items in one request.
        MaximumBatchSizeExceeded = "MaximumBatchSizeExceeded",
        /// 400: something required is missing.
        MissingRequiredParameter = "MissingRequiredParameter",
        /// 400: the machine's system cannot do it.
        OsPlatformNotSupported = "OsPlatformNotSupported",
        /// 400: the machine's sensor is too old for it.
        ClientVersionNotSupported = "ClientVersionNotSupported",
        /// 400: an action of this type is pending on this machine.
        ActiveRequestAlreadyExists = "ActiveRequestAlreadyExists",
        /// 401: the token is missing, wrong or over.
        Unauthorized = "Unauthorized",
        /// 403: the token does not allow it.
        Forbidden = "Forbidden",
        /// 403: the feature is turned off, or not licensed.
        DisabledFeature = "DisabledFeature",
        /// 403: the operation is not allowed.
        DisallowedOperation = "DisallowedOperation",
        /// 404: there is no such thing.
        NotFound = "NotFound",
        /// 404: there is no such thing.
        ResourceNotFound = "ResourceNotFound",
        /// 429: too many requests, by number or by their cost.
        TooManyRequests = "TooManyRequests",
        /// 500: the service failed.
        InternalServerError = "InternalServerError",
    }
}

/// What the service says when it does not do what was asked: read from whatever body came, and never failing to be read.
///
/// Its texts come from outside. Each is one line of a bounded length, without control characters and without those that turn
/// the direction of writing; [`raw`](Self::raw) has the body as it came.
///
/// ```
/// use defender_model::{Code, Problem};
///
/// let body = br#"{"error":{"code":"ResourceNotFound","message":"Machine 1 was not found","target":"43f4cb08"}}"#;
/// let problem = Problem::parse(404, body);
/// assert_eq!(problem.code(), &Code::ResourceNotFound);
/// assert_eq!(problem.message(), Some("Machine 1 was not found"));
/// assert_eq!(problem.target(), Some("43f4cb08"));
///
/// let gateway = Problem::parse(502, b"<html>Bad Gateway</html>");
/// assert_eq!(gateway.code().as_str(), "");
/// assert_eq!(gateway.raw(), b"<html>Bad Gateway</html>");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    parts: Box<Parts>,
    raw: Vec<u8>,
}

/// A page of text is no message.
const LONGEST: usize = 500;

impl Problem {
    /// Reads the body of an answer with the HTTP status `status`.
    ///
    /// Known shapes are the service's `{"error":{"code","message","target"}}` with OData's `innererror` and `details`, problem
    /// details (RFC 9457) with the `errors` of ASP.NET, Entra's `{"error","error_description"}`, a gateway's `{"message"}`, and
    /// plain text, which becomes the message. Of HTML, and of anything else, only the raw body is kept.
    #[must_use]
    pub fn parse(status: u16, body: &[u8]) -> Self {
        Self { status, parts: Box::new(Parts::of(body)), raw: body.to_vec() }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The service's word for it; the unknown word `""` where it said none.
    #[must_use]
    pub fn code(&self) -> &Code {
        &self.parts.code
    }

    /// The more exact word of the innermost `innererror` or of the first of the `details`, if there is one.
    #[must_use]
    pub fn inner_code(&self) -> Option<&Code> {
        self.parts.inner_code.as_ref()
    }

    /// The service's sentence about it. It is for people: it may change, and may hold HTML.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.parts.message.as_deref()
    }

    /// The more exact sentence of the innermost `innererror`, of the first of the `details`, or of the fields that problem
    /// details name.
    #[must_use]
    pub fn inner_message(&self) -> Option<&str> {
        self.parts.inner_message.as_deref()
    }

    /// What Microsoft's support asks for: an opaque id of the request.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.parts.target.as_deref()
    }

    /// The body as it came.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether it says anything that can be shown: a code or a message.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.code().as_str().is_empty() && self.message().is_none()
    }

    /// Whether it says that an action of this type is pending on this machine already: by its code, or else by its
    /// message, since the code is not documented for every action.
    #[must_use]
    pub fn is_already_in_progress(&self) -> bool {
        self.parts.code == Code::ActiveRequestAlreadyExists
            || matches!(self.status, 400 | 409) && self.message().is_some_and(says_already_in_progress)
    }
}

/// In any letter case, and however its words are spaced.
fn says_already_in_progress(message: &str) -> bool {
    let words: Vec<_> = message
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.windows(3).any(|three| three == ["already", "in", "progress"])
}

impl fmt::Display for Problem {
    /// What was said and nothing else: whoever shows it knows the status.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code().as_str(), self.message()) {
            ("", None) if self.raw.is_empty() => f.write_str("the response says nothing about why")?,
            ("", None) => write!(f, "the response's {} bytes say nothing readable about why", self.raw.len())?,
            (code, None) => f.write_str(code)?,
            (code, Some(message)) => {
                if !code.is_empty() {
                    write!(f, "{code}: ")?;
                }
                f.write_str(&sanitize_line(message, LONGEST))?;
            }
        }
        let inner = [self.inner_code().map(Code::as_str), self.inner_message()];
        let inner: Vec<_> = inner.into_iter().flatten().map(|text| sanitize_line(text, LONGEST)).collect();
        if !inner.is_empty() {
            write!(f, " [{}]", inner.join(": "))?;
        }
        self.target().map_or(Ok(()), |target| write!(f, " (target {target})"))
    }
}

/// What there is to say, and nothing of what there is not.
#[expect(clippy::missing_fields_in_debug, reason = "the parts are shown one by one")]
impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Problem");
        shown.field("status", &self.status);
        for (name, text) in [
            ("code", Some(self.code().as_str()).filter(|code| !code.is_empty())),
            ("message", self.message()),
            ("inner_code", self.inner_code().map(Code::as_str)),
            ("inner_message", self.inner_message()),
            ("target", self.target()),
        ] {
            if let Some(text) = text {
                shown.field(name, &sanitize_line(text, LONGEST));
            }
        }
        shown.field("raw", &format_args!("{} bytes", self.raw.len())).finish()
    }
}
