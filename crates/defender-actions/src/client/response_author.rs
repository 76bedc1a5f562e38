//! Authorship of a response: whether the service wrote it, or a proxy, portal or gateway in the service's place.
//!
//! A status means nothing before this is known. Block pages and captive portals respond with 200, 302, 400, 403 or 511 in HTML.

use defender_model::{Problem, json_text, read_json};
use defender_transport::extensions::Idempotency;
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::de::IgnoredAny;

/// Author of a response, as far as its form shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// The service, for certain: the response has a header that only the service sends, or is a JSON object.
    Service,
    /// The service, as far as is known: an error without a body or in plain text, or a success whose body has no form of its
    /// own. The status counts, and nothing else is learned from the response.
    Presumed,
    /// Another server. The status has no information about the request.
    Other,
}

/// Body of a successful response of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Content {
    /// A JSON object.
    #[default]
    Object,
    /// Any JSON, or nothing: the operation is not known.
    Unknown,
    /// Nothing.
    Nothing,
}

/// Headers that only the service sends.
const OWN: [HeaderName; 2] = [HeaderName::from_static("odata-version"), HeaderName::from_static("mise-correlation-id")];

/// Returns the author of a response to a request with this `idempotency` and `content`. Only the first characters of the body of a
/// success are examined, unless the operation is not known.
pub(crate) fn author(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    idempotency: Idempotency,
    content: Content,
) -> Author {
    let body = &*json_text(body);
    let is_object = opens_object(body);
    if is_object && status.is_success() {
        return Author::Service; // Nearly always, and by the head as well.
    }
    match by_head(status, headers) {
        Some(author) => author,
        None if is_object && has_error(body) => Author::Service,
        None if status.is_success() => by_success(status, body, idempotency, content),
        None if body.starts_with(b"<") || is_html(headers) || status.is_redirection() => Author::Other,
        // After a refusal a request may be sent again, even one that must not be processed twice. So plain text needs a second sign.
        None if idempotency == Idempotency::NonIdempotent
            && !body.is_empty()
            && lacks_sign_of_refusal(status, headers) =>
        {
            Author::Other
        }
        // A 401 or 429 whose JSON is not the service's envelope counts only with the header that belongs to it.
        None if status.is_client_error()
            && is_gateways_json(body, headers)
            && !has_sign_of_refusal(status, headers) =>
        {
            Author::Other
        }
        None => Author::Presumed,
    }
}

/// Returns whether another server may have written the head of a response whose body broke off. A refusal without the
/// service's own headers may be a gateway's.
pub(crate) fn is_head_foreign(status: StatusCode, headers: &HeaderMap) -> bool {
    match by_head(status, headers) {
        Some(author) => author == Author::Other,
        None => is_html(headers) || status.is_redirection() || status.is_client_error(),
    }
}

/// Returns whether the body is an object with the service's `error`. Gateways write `{"statusCode":404,"message":".."}`
/// and the like.
fn has_error(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Envelope {
        #[serde(default)]
        error: Option<IgnoredAny>,
    }
    read_json::<Envelope>(body).is_ok_and(|envelope| envelope.error.is_some())
}

/// Returns whether the problem is the service's own *not found*, and not the 404 of a gateway or of a wrong prefix.
pub(crate) fn is_own_not_found(problem: &Problem) -> bool {
    let body = read_json::<serde_json::Value>(problem.raw()).unwrap_or_default();
    let code = body.get("error").and_then(|error| error.get("code")?.as_str());
    let is_known = |code: &str| ["NotFound", "ResourceNotFound"].iter().any(|known| known.eq_ignore_ascii_case(code));
    problem.status() == 404 && code.is_some_and(is_known)
}

/// Returns the author where status and headers decide.
fn by_head(status: StatusCode, headers: &HeaderMap) -> Option<Author> {
    match status {
        // Only an intermediary requests a sign-in to a proxy or a network.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::NETWORK_AUTHENTICATION_REQUIRED => Some(Author::Other),
        _ if OWN.iter().any(|own| headers.contains_key(own)) => Some(Author::Service),
        _ => None,
    }
}

fn by_success(status: StatusCode, body: &[u8], idempotency: Idempotency, content: Content) -> Author {
    let is_expected = match content {
        // An empty body of an operation that is documented to have one is left to the reader.
        Content::Object => {
            body.is_empty() && status == StatusCode::NO_CONTENT && idempotency == Idempotency::Idempotent
        }
        Content::Nothing => body.is_empty(),
        Content::Unknown if body.is_empty() => {
            idempotency == Idempotency::Idempotent || status == StatusCode::NO_CONTENT
        }
        Content::Unknown => read_json::<IgnoredAny>(body).is_ok(),
    };
    if is_expected { Author::Presumed } else { Author::Other }
}

/// Returns whether the text begins as a JSON object does. It may be cut anywhere.
fn opens_object(body: &[u8]) -> bool {
    let inside = body.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    inside.is_some_and(|inside| matches!(inside.first(), None | Some(b'"' | b'}')))
}

fn is_html(headers: &HeaderMap) -> bool {
    ["text/html", "application/xhtml+xml"].contains(&media_type(headers).as_str())
}

/// Returns the type of the body, in lower case and without parameters.
fn media_type(headers: &HeaderMap) -> String {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Returns whether the body is an object with fields of its own, without the service's `error`. The service's framework
/// writes `application/problem+json`.
fn is_gateways_json(body: &[u8], headers: &HeaderMap) -> bool {
    let inside = body.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    inside.is_some_and(|inside| inside.starts_with(b"\"")) && media_type(headers) != "application/problem+json"
}

/// Returns whether the response is a 401, 425 or 429 with the header that belongs to it.
fn has_sign_of_refusal(status: StatusCode, headers: &HeaderMap) -> bool {
    matches!(status.as_u16(), 401 | 425 | 429) && !lacks_sign_of_refusal(status, headers)
}

/// Returns whether the response has the status of a refusal, and not the header that belongs to it.
fn lacks_sign_of_refusal(status: StatusCode, headers: &HeaderMap) -> bool {
    match status.as_u16() {
        401 => !headers.contains_key(header::WWW_AUTHENTICATE),
        425 | 429 => !headers.contains_key(header::RETRY_AFTER),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: (&str, &str) = ("content-type", "Text/HTML; charset=utf-8");
    const JSON: (&str, &str) = ("content-type", "application/json");
    const TEXT: (&str, &str) = ("content-type", "text/plain");

    fn author_of(status: u16, header: (&str, &str), body: &str, idempotency: Idempotency, content: Content) -> Author {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::try_from(header.0).unwrap(), header.1.parse().unwrap());
        author(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), idempotency, content)
    }

    #[test]
    fn author_follows_status_headers_and_body() {
        use Author::{Other, Presumed, Service};
        // Author of the response to an action, and to a read whose body is an object.
        for (status, header, body, action, read) in [
            (201, JSON, r#"{"id":"a"}"#, Service, Service),
            (404, JSON, r#"{"error":{"code":"NotFound"}}"#, Service, Service),
            (404, JSON, r#"{"statusCode":404,"message":"Resource not found"}"#, Other, Other),
            (403, JSON, r#"{"message":"no","activityId":"x"}"#, Other, Other),
            (400, JSON, r#"{"fault":{"faultstring":"no"}}"#, Other, Other),
            (400, JSON, r#"{"error":null,"message":"no"}"#, Other, Other),
            (403, JSON, "{}", Presumed, Presumed),
            (400, ("content-type", "application/problem+json"), r#"{"title":"no"}"#, Presumed, Presumed),
            (429, JSON, r#"{"statusCode":429}"#, Other, Other),
            (429, ("retry-after", "7"), r#"{"statusCode":429}"#, Presumed, Presumed),
            (401, ("www-authenticate", "Bearer"), r#"{"message":"no"}"#, Presumed, Presumed),
            (201, JSON, "\u{feff} \r\n{ \"id\":\"a\"}", Service, Service),
            (201, HTML, r#"{"id":"a"}"#, Service, Service),
            (201, JSON, r#"{"id":"a"#, Service, Service),
            (201, JSON, "{", Service, Service),
            (200, HTML, "<html>", Other, Other),
            (200, JSON, "<html>", Other, Other),
            (200, ("odata-version", "4.0"), "<html>", Service, Service),
            (200, ("mise-correlation-id", "x"), "", Service, Service),
            (200, TEXT, "Blocked by policy", Other, Other),
            (200, TEXT, "{blocked}", Other, Other),
            (200, TEXT, "403 Forbidden", Other, Other),
            (200, JSON, "[]", Other, Other),
            (200, JSON, "", Other, Other),
            (204, JSON, "", Other, Presumed),
            (302, HTML, "", Other, Other),
            (302, ("location", "https://portal.example.com/"), "", Other, Other),
            (307, JSON, r#"{"error":{}}"#, Service, Service),
            (400, HTML, "<html>", Other, Other),
            (400, JSON, r#"{"error":{"code":"BadRequest"}}"#, Service, Service),
            (400, TEXT, "Bad request", Presumed, Presumed),
            (401, JSON, "", Presumed, Presumed),
            (401, HTML, "", Other, Other),
            (401, TEXT, "<html>", Other, Other),
            (401, TEXT, "Sign in first", Other, Presumed),
            (401, ("www-authenticate", "Bearer"), "no", Presumed, Presumed),
            (403, TEXT, " \n<!DOCTYPE html>", Other, Other),
            (403, TEXT, "<?xml version='1.0'?><Error/>", Other, Other),
            (403, JSON, "", Presumed, Presumed),
            (404, TEXT, "default backend - 404", Presumed, Presumed),
            (407, JSON, "{}", Other, Other),
            (429, JSON, "", Presumed, Presumed),
            (429, JSON, r#"{"error":{"code":"TooManyRequests"}}"#, Service, Service),
            (429, TEXT, "Slow down", Other, Presumed),
            (429, ("retry-after", "2"), "later", Presumed, Presumed),
            (429, HTML, "<html>", Other, Other),
            (502, HTML, "<html>", Other, Other),
            (503, TEXT, "busy", Presumed, Presumed),
            (511, JSON, r#"{"error":{}}"#, Other, Other),
            (511, ("odata-version", "4.0"), "", Other, Other),
        ] {
            let by = |idempotency| author_of(status, header, body, idempotency, Content::Object);
            let authors = (by(Idempotency::NonIdempotent), by(Idempotency::Idempotent));
            assert_eq!(authors, (action, read), "{status} {header:?} {body:?}");
        }
    }

    #[test]
    fn body_may_be_absent_where_operation_has_none() {
        use Author::{Other, Presumed};
        use Content::{Nothing, Unknown};
        for (status, body, idempotency, content, author) in [
            (204, "", Idempotency::Idempotent, Nothing, Presumed),
            (200, "", Idempotency::Idempotent, Nothing, Presumed),
            (200, "<html>", Idempotency::Idempotent, Nothing, Other),
            (200, "ok", Idempotency::Idempotent, Nothing, Other),
            (200, "42", Idempotency::Idempotent, Unknown, Presumed),
            (200, "\u{feff}42 ", Idempotency::Idempotent, Unknown, Presumed),
            (200, "[1]", Idempotency::Idempotent, Unknown, Presumed),
            (200, "null", Idempotency::Idempotent, Unknown, Presumed),
            (200, "", Idempotency::Idempotent, Unknown, Presumed),
            (204, "", Idempotency::NonIdempotent, Unknown, Presumed),
            (200, "", Idempotency::NonIdempotent, Unknown, Other),
            (200, "42 rows", Idempotency::Idempotent, Unknown, Other),
            (200, "<html>", Idempotency::Idempotent, Unknown, Other),
        ] {
            assert_eq!(author_of(status, TEXT, body, idempotency, content), author, "{status} {body:?} {content:?}");
        }
    }

    #[test]
    fn not_found_is_known_by_envelope() {
        for (status, body, own) in [
            (404, r#"{"error":{"code":"ResourceNotFound","message":"m"}}"#, true),
            (404, r#"{"error":{"code":"notfound"}}"#, true),
            (400, r#"{"error":{"code":"NotFound"}}"#, false),
            (404, r#"{"code":"NotFound"}"#, false),
            (404, r#"{"error":"NotFound"}"#, false),
            (404, r#"{"error":{"code":"404"}}"#, false),
            (404, r#"{"statusCode":404,"message":"Resource not found"}"#, false),
            (404, "NotFound", false),
            (404, "", false),
        ] {
            assert_eq!(is_own_not_found(&Problem::parse(status, body.as_bytes())), own, "{status} {body}");
        }
    }
}
