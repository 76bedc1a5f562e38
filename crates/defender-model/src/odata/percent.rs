//! Percent-encoding of text for one part of a URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All characters except the unreserved ones of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes a text for one path segment or one query value. Only RFC 3986's unreserved characters (letters, digits, `-`,
/// `.`, `_`, `~`) stay unencoded, so the text can neither end its part of the URL nor begin another part.
///
/// ```
/// assert_eq!(defender_model::percent_encode("a b/ä?'"), "a%20b%2F%C3%A4%3F%27");
/// ```
#[must_use]
pub fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}
