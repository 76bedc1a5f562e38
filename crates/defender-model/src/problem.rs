//! What the service says when it does not do what was asked.

use std::fmt;

use serde_json::Value;

use crate::open_enum::open_enum;

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
    code: Code,
    message: Option<String>,
    target: Option<String>,
    raw: Vec<u8>,
}

impl Problem {
    /// Reads the body of an answer with the HTTP status `status`.
    ///
    /// Known shapes are the service's `{"error":{"code","message","target"}}`, Entra's `{"error","error_description"}`, a
    /// gateway's `{"message"}`, and plain text, which becomes the message. Of HTML, and of anything else, only the raw
    /// body is kept.
    #[must_use]
    pub fn parse(status: u16, body: &[u8]) -> Self {
        let mut problem = Self { status, code: Code::default(), message: None, target: None, raw: body.to_vec() };
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => problem.read(&value),
            Err(_) => problem.message = plain_text(body),
        }
        problem
    }

    fn read(&mut self, value: &Value) {
        let error = value.get("error");
        // Entra and some gateways say what went wrong beside `error`, the service inside it.
        let inner = error.filter(|error| error.is_object()).unwrap_or(value);
        let says_something = |text: &&str| !text.trim().is_empty();
        let text = |name: &str| inner.get(name).and_then(Value::as_str).filter(says_something);
        let code = text("code").or_else(|| error.and_then(Value::as_str).filter(says_something));
        self.code = code.map(Code::from).unwrap_or_default();
        self.message = text("message")
            .or_else(|| text("Message"))
            .or_else(|| text("error_description"))
            .or_else(|| value.as_str().filter(says_something))
            .map(str::to_owned);
        self.target = text("target").map(str::to_owned);
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The service's word for it; the unknown word `""` where it said none.
    #[must_use]
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// The service's sentence about it. It is for people: it may change, and may hold HTML.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What Microsoft's support asks for: an opaque id of the request.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// The body as it came.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Whether it says that an action of this type is pending on this machine already: by its code, or else by its
    /// message, since the code is not documented for every action.
    #[must_use]
    pub fn is_already_in_progress(&self) -> bool {
        self.code == Code::ActiveRequestAlreadyExists
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

fn plain_text(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let has_words = !text.is_empty() && !text.starts_with(['<', '{', '[']);
    has_words.then(|| text.to_owned())
}

impl fmt::Display for Problem {
    /// What was said and nothing else: whoever shows it knows the status.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A page of text is no message.
        const LONGEST: usize = 500;
        match (self.code.as_str(), self.message()) {
            ("", None) if self.raw.is_empty() => f.write_str("the answer says nothing about why")?,
            ("", None) => write!(f, "the answer's {} bytes say nothing readable about why", self.raw.len())?,
            (code, None) => f.write_str(code)?,
            (code, Some(message)) => {
                if !code.is_empty() {
                    write!(f, "{code}: ")?;
                }
                f.write_str(message.trim().chars().take(LONGEST).collect::<String>().as_str())?;
            }
        }
        self.target().map_or(Ok(()), |target| write!(f, " (target {target})"))
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("status", &self.status)
            .field("code", &self.code.as_str())
            .field("message", &self.message)
            .field("target", &self.target)
            .field("raw", &format_args!("{} bytes", self.raw.len()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(body: &str) -> (String, Option<String>, Option<String>) {
        let problem = Problem::parse(400, body.as_bytes());
        assert_eq!(problem.raw(), body.as_bytes());
        (problem.code.as_str().to_owned(), problem.message, problem.target)
    }

    fn said(code: &str, message: Option<&str>, target: Option<&str>) -> (String, Option<String>, Option<String>) {
        (code.to_owned(), message.map(str::to_owned), target.map(str::to_owned))
    }

    #[test]
    fn each_shape_gives_what_it_holds() {
        for (body, expected) in [
            (
                r#"{"error":{"code":"InvalidInput","message":"m","target":"|3"}}"#,
                said("InvalidInput", Some("m"), Some("|3")),
            ),
            (
                r#"{"error":{"code":"","message":"The query is not valid","details":[]}}"#,
                said("", Some("The query is not valid"), None),
            ),
            (
                r#"{"error":"invalid_client","error_description":"AADSTS7000215"}"#,
                said("invalid_client", Some("AADSTS7000215"), None),
            ),
            (r#"{"message":"no"}"#, said("", Some("no"), None)),
            (r#"{"Message":"no"}"#, said("", Some("no"), None)),
            (r#"{"error":null}"#, said("", None, None)),
            (r#"{"error":{"code":5,"message":["x"]}}"#, said("", None, None)),
            (r#""just text""#, said("", Some("just text"), None)),
            ("[]", said("", None, None)),
            ("Too many requests\r\n", said("", Some("Too many requests"), None)),
            ("<html><b>no</b></html>", said("", None, None)),
            ("{broken", said("", None, None)),
            ("", said("", None, None)),
        ] {
            assert_eq!(parts(body), expected, "{body}");
        }
    }

    #[test]
    fn already_in_progress_is_known_by_code_first_and_message_second() {
        let of = |status, code: &str, message: &str| {
            let body = serde_json::json!({"error": {"code": code, "message": message}}).to_string();
            Problem::parse(status, body.as_bytes()).is_already_in_progress()
        };
        assert!(of(400, "ActiveRequestAlreadyExists", "anything"));
        assert!(of(400, "activerequestalreadyexists", ""));
        assert!(of(400, "BadRequest", "Action is already in progress"));
        assert!(of(400, "", "ACTION IS  ALREADY\tIN PROGRESS."));
        assert!(!of(400, "BadRequest", "Action is in progress"));
        assert!(!of(500, "", "Action is already in progress"));
    }

    #[test]
    fn it_reads_as_one_line() {
        let body = br#"{"error":{"code":"NotFound","message":" gone ","target":"t"}}"#;
        assert_eq!(Problem::parse(404, body).to_string(), "NotFound: gone (target t)");
        assert_eq!(Problem::parse(404, b"").to_string(), "the answer says nothing about why");
        assert_eq!(Problem::parse(502, b"<p>").to_string(), "the answer's 3 bytes say nothing readable about why");
        assert_eq!(Problem::parse(502, b"\"\"").to_string(), "the answer's 2 bytes say nothing readable about why");
        let blank = br#"{"error":{"code":" ","message":"\n"}}"#;
        assert_eq!(Problem::parse(502, blank).to_string(), "the answer's 37 bytes say nothing readable about why");
    }

    proptest! {
        #[test]
        fn any_body_is_read(status in any::<u16>(), body in any::<Vec<u8>>()) {
            let problem = Problem::parse(status, &body);
            prop_assert_eq!(problem.raw(), &body[..]);
        }
    }
}
