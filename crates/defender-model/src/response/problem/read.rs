//! Reading of an error body, in all shapes that were seen.

use serde_json::Value;

use super::code::Code;
use crate::{read_json, sanitize_line};

/// Longest code, in characters.
const CODE: usize = 200;
/// Longest id of a request, in characters.
const TARGET: usize = 200;
/// Longest message, in characters; the raw body has the whole text.
const MESSAGE: usize = 4_000;
/// Deepest nesting of `innererror` that is followed.
const DEPTH: usize = 8;
/// Number of fields of problem details that are named.
const FIELDS: usize = 5;

/// Texts of a problem, each a bounded line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) code: Code,
    pub(super) message: Option<String>,
    pub(super) inner_code: Option<Code>,
    pub(super) inner_message: Option<String>,
    pub(super) target: Option<String>,
}

impl Parts {
    pub(super) fn of(body: &[u8]) -> Self {
        // An invalid character in a message does not hide the rest.
        let lossy = || read_json(String::from_utf8_lossy(body).as_bytes());
        match read_json::<Value>(body).or_else(|_| lossy()) {
            Ok(value) => Self::read(&value),
            Err(_) => Self { message: plain_text(body), ..Self::default() },
        }
    }

    fn read(value: &Value) -> Self {
        let error = value.get("error");
        // Entra and some gateways put the description beside `error`, the service inside `error`.
        let own = error.filter(|error| error.is_object()).unwrap_or(value);
        let code = text(own, "code", CODE).or_else(|| line(error?, CODE));
        let message = ["message", "Message", "error_description"].iter().find_map(|name| text(own, name, MESSAGE));
        let message = message.or_else(|| problem_details(own)).or_else(|| line(value, MESSAGE));
        let inner = innermost(own).or_else(|| own.get("details")?.as_array()?.iter().find(|one| has_text(one)));
        let is_new = |text: &String| Some(text) != message.as_ref();
        let inner_message = inner.and_then(|inner| text(inner, "message", MESSAGE)).or_else(|| fields(own));
        let inner_code = inner.and_then(|inner| text(inner, "code", CODE)).filter(|inner| Some(inner) != code.as_ref());
        let ids = ["request-id", "requestId", "client-request-id"];
        let target = text(own, "target", TARGET)
            .or_else(|| ids.iter().find_map(|name| text(inner?, name, TARGET)))
            .or_else(|| ["traceId", "instance"].iter().find_map(|name| text(own, name, TARGET)));
        Self {
            code: code.as_deref().map(Code::from).unwrap_or_default(),
            inner_message: inner_message.filter(is_new),
            inner_code: inner_code.as_deref().map(Code::from),
            message,
            target,
        }
    }
}

/// Returns the text of a field, if it is not blank.
fn text(object: &Value, name: &str, longest: usize) -> Option<String> {
    line(object.get(name)?, longest)
}

fn line(value: &Value, longest: usize) -> Option<String> {
    Some(sanitize_line(value.as_str()?, longest)).filter(|line| !line.is_empty())
}

fn has_text(error: &Value) -> bool {
    ["code", "message"].iter().any(|name| text(error, name, CODE).is_some())
}

/// Returns the innermost `innererror` with a text, which is the most exact.
fn innermost(error: &Value) -> Option<&Value> {
    let inside = |error: &'_ Value| ["innererror", "innerError"].into_iter().find(|name| error.get(name).is_some());
    let mut found = None;
    let mut at = error;
    for _ in 0..DEPTH {
        let Some(next) = inside(at).and_then(|name| at.get(name)) else { break };
        at = next;
        if has_text(at) {
            found = Some(at);
        }
    }
    // An `innererror` that only has the id of the request is useful, too.
    found.or_else(|| error.get(inside(error)?))
}

/// Returns title and detail of problem details: <https://www.rfc-editor.org/rfc/rfc9457>.
fn problem_details(problem: &Value) -> Option<String> {
    match (text(problem, "title", MESSAGE), text(problem, "detail", MESSAGE)) {
        (Some(title), Some(detail)) if title != detail => Some(format!("{}: {detail}", title.trim_end_matches('.'))),
        (title, detail) => detail.or(title),
    }
}

/// Returns the fields that ASP.NET names in problem details, as in `{"errors":{"Comment":["The Comment field is required."]}}`.
fn fields(problem: &Value) -> Option<String> {
    let errors = problem.get("errors")?.as_object()?;
    let first = |value: &Value| line(value, MESSAGE).or_else(|| line(value.as_array()?.first()?, MESSAGE));
    let named =
        errors.iter().filter_map(|(name, value)| Some(format!("{}: {}", sanitize_line(name, CODE), first(value)?)));
    let named = named.take(FIELDS).collect::<Vec<_>>().join(", ");
    Some(named).filter(|named| !named.is_empty())
}

/// Returns the body as text, unless it is markup or invalid JSON.
fn plain_text(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim_start_matches('\u{feff}').trim();
    let line = sanitize_line(text, MESSAGE);
    (!line.is_empty() && !text.starts_with(['<', '{', '['])).then_some(line)
}
