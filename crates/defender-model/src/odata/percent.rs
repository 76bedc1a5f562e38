//! Percent-encoding of text for one part of a URL.

use std::fmt::Write;

/// Percent-encodes every byte except the unreserved ones of RFC 3986 (letters, digits, `-`, `.`, `_`, `~`), so that the text can
/// neither end its part of the URL nor begin another part.
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
