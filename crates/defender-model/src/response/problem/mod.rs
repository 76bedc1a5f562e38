//! The error body of a response.

mod code;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::code::Code;
use self::read::Parts;
use crate::sanitize_line;

/// The error body of a response. Every body can be read as a problem.
///
/// The texts come from outside. Each text is one line of bounded length, without control characters and without characters that
/// change the writing direction; [`raw`](Self::raw) is the body as it was received.
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

/// Longest text that `Display` and `Debug` print of one part, in characters.
const LONGEST: usize = 500;

impl Problem {
    /// Reads the body of a response with the HTTP status `status`.
    ///
    /// Known shapes are the service's `{"error":{"code","message","target"}}` with OData's `innererror` and `details`, problem
    /// details (RFC 9457) with the `errors` of ASP.NET, Entra's `{"error","error_description"}`, a gateway's `{"message"}`, and
    /// plain text, which becomes the message. For HTML and every other shape, only the raw body is kept.
    #[must_use]
    pub fn parse(status: u16, body: &[u8]) -> Self {
        Self { status, parts: Box::new(Parts::of(body)), raw: body.to_vec() }
    }

    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the error code; the unknown value `""` if the body has no code.
    #[must_use]
    pub fn code(&self) -> &Code {
        &self.parts.code
    }

    /// Returns the more exact code of the innermost `innererror` or of the first of the `details`, if present.
    #[must_use]
    pub fn inner_code(&self) -> Option<&Code> {
        self.parts.inner_code.as_ref()
    }

    /// Returns the service's message. It is for people: its text may change, and may contain HTML.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.parts.message.as_deref()
    }

    /// Returns the more exact message of the innermost `innererror`, of the first of the `details`, or of the fields that problem
    /// details name.
    #[must_use]
    pub fn inner_message(&self) -> Option<&str> {
        self.parts.inner_message.as_deref()
    }

    /// Returns the opaque id of the request. Microsoft's support asks for it.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.parts.target.as_deref()
    }

    /// Returns the body as it was received.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Returns `true` if the body has neither a code nor a message.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.code().as_str().is_empty() && self.message().is_none()
    }

    /// Returns `true` if an action of this type is already pending on this machine. The code is checked first, and then the
    /// message, since the code is not documented for every action.
    #[must_use]
    pub fn is_already_in_progress(&self) -> bool {
        self.parts.code == Code::ActiveRequestAlreadyExists
            || matches!(self.status, 400 | 409) && self.message().is_some_and(mentions_already_in_progress)
    }
}

/// Returns `true` if the message has "already in progress", in any letter case and with any spacing.
fn mentions_already_in_progress(message: &str) -> bool {
    let words: Vec<_> = message
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.windows(3).any(|three| three == ["already", "in", "progress"])
}

impl fmt::Display for Problem {
    /// Writes the texts of the body, without the status, which the caller knows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code().as_str(), self.message()) {
            ("", None) if self.raw.is_empty() => f.write_str("the response gives no reason")?,
            ("", None) => write!(f, "the response gives no readable reason in its {} bytes", self.raw.len())?,
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

/// Shows only the parts that are present.
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
