//! Text as a part of a URL.

use std::fmt::Write;

/// The text with every byte but RFC 3986's unreserved ones (letters, digits, `-`, `.`, `_`, `~`) as `%XX`, so that it
/// can neither end the part of a URL that it stands in nor begin another.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a `String` does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
