//! A 401 that demands claims.

use serde_json::{Map, Value};

use crate::{json, token::base64_text::decoded};

/// The claims that an API demands with its 401, as JSON, for [`TokenRequest::claims`](crate::TokenRequest::claims).
///
/// `www_authenticate` is the header's value, or several joined by commas. `None` if it demands no claims, or if the claims are
/// not a JSON object in base64. [`Authorized`](crate::Authorized) does this by itself; call it in a transport of your own.
///
/// Source: <https://learn.microsoft.com/en-us/entra/identity-platform/claims-challenge>.
///
/// ```
/// let header = r#"Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ==""#;
/// assert_eq!(defender_auth::claims_challenge(header).as_deref(), Some(r#"{"access_token":{}}"#));
/// ```
#[must_use]
pub fn claims_challenge(www_authenticate: &str) -> Option<String> {
    let mut rest = www_authenticate;
    let mut is_bearer = false;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',', ';', '=']);
        let word = prefix(rest, |c| !matches!(c, ' ' | '\t' | ',' | ';' | '=' | '"'));
        let after = rest.get(word.len()..)?;
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        if word.is_empty() {
            if after.is_empty() {
                return None;
            }
            rest = value_of(after).1; // A quoted text in no place: over it.
            continue;
        }
        let Some(value) = value else {
            // A word without a value is the name of a scheme, and the parameters after it are its own.
            is_bearer = word.eq_ignore_ascii_case("Bearer");
            rest = after;
            continue;
        };
        let (value, after) = value_of(value);
        if is_bearer && word.eq_ignore_ascii_case("claims") {
            let bytes = decoded(&value)?;
            return json::read::<Map<String, Value>>(&bytes).map(|_| json::text(&bytes).as_str().to_owned());
        }
        rest = after;
    }
}

/// The value that `text` begins with, without its quotes, and the rest of `text`.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let token = prefix(text, |c| !matches!(c, ' ' | '\t' | ','));
        return (token.to_owned(), text.get(token.len()..).unwrap_or_default());
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            other => value.push(other),
        }
    }
    (value, chars.as_str())
}

fn prefix(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIMS: &str = "eyJhY2Nlc3NfdG9rZW4iOnt9fQ==";

    #[test]
    fn claims_are_found_in_any_order() {
        for header in [
            format!(r#"Bearer claims="{CLAIMS}""#),
            format!(
                r#"bearer realm="a, claims=\"x\"",authorization_uri="https://x/a=b", CLAIMS = "{CLAIMS}", error="e""#
            ),
            format!("Bearer error=insufficient_claims, claims={CLAIMS}"),
            format!(r#"Basic realm="x", PoP claims="e30", Bearer claims="{}""#, CLAIMS.trim_end_matches('=')),
        ] {
            assert_eq!(claims_challenge(&header).as_deref(), Some(r#"{"access_token":{}}"#), "{header}");
        }
    }

    #[test]
    fn challenge_without_claims_gives_none() {
        for header in [
            "",
            "Bearer",
            r#"Bearer error="invalid_token""#,
            r#"Bearer claims="not base64!""#,
            r#"Bearer claims="W10=""#,
            r#"Bearer claims="" "#,
            r#"Basic claims="e30=""#,
            r#"Bearer realm="claims=e30="#,
            r#"""""#,
            "Bearer =====,,,\"\\",
            "Bearer é=\"ü\" claims",
        ] {
            assert_eq!(claims_challenge(header), None, "{header}");
        }
    }
}
