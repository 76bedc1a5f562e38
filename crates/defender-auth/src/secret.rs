//! Text that is never printed, and wiped when it is dropped.

use std::{borrow::Cow, fmt, ops::Deref};

use bytes::Bytes;
use defender_transport::Secrets;
use http::HeaderValue;
use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize, Zeroizing};

/// Replacement of a secret.
const REDACTED: &str = "<redacted>";

/// A secret: no `Display`, a `Debug` that shows nothing, memory that is wiped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// A secret as a person or a mounted file gives it: with a newline, a blank or a byte order mark around it, which none
    /// has.
    pub(crate) fn trimmed(text: impl Into<String>) -> Self {
        let given = Self::new(text);
        Self::new(trimmed(given.reveal()))
    }

    /// The text itself. Each use of this is a place from which it could leak.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns true if it is not empty and can stand in a header.
    pub(crate) fn is_in_a_header(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    }

    /// The value of a header that is never shown, with `before` before the secret; the memory is wiped when the request is gone.
    /// `None` where a byte of the secret may not stand there: no cause, since nothing that was made from it goes into an error.
    pub(crate) fn header(&self, before: &str) -> Option<HeaderValue> {
        let mut text = Zeroizing::new(Vec::with_capacity(before.len().saturating_add(self.0.len())));
        text.extend_from_slice(before.as_bytes());
        text.extend_from_slice(self.0.as_bytes());
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// `text` without any of `secrets`, which somebody may have echoed, as they are or encoded.
    pub(crate) fn without(mut text: String, secrets: &[Self]) -> String {
        match Secrets::new(secrets.iter().map(Self::reveal)).redact(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(clean) => {
                text.zeroize();
                clean
            }
        }
    }
}

/// Received bytes that may hold a secret: wiped on drop, if nobody else holds them. Copies that the transport keeps
/// in buffers of its own, such as a connection's, are not reached.
pub(crate) struct Received(Bytes);

impl From<Bytes> for Received {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Ok(mut bytes) = std::mem::take(&mut self.0).try_into_mut() {
            bytes.as_mut().zeroize();
        }
    }
}

/// The text without the blanks and marks around it in a file.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(|char: char| char.is_whitespace() || char.is_control() || char == '\u{feff}')
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_part_of_secret() {
        assert_eq!(format!("{:?} {:#?}", Secret::new("canary"), Secret::new("canary")), "<redacted> <redacted>");
    }

    #[test]
    fn whitespace_around_secret_is_trimmed() {
        for text in ["s e", "s e\n", "s e\r\n", "\u{feff}s e\n\n", " s e\t", "\0s e\0"] {
            assert_eq!(Secret::trimmed(text).reveal(), "s e", "{text:?}");
        }
        assert_eq!(Secret::trimmed(" \n").reveal(), "");
    }

    #[test]
    fn echoed_secret_is_redacted() {
        let secrets = [Secret::new("canary"), Secret::new("")];
        assert_eq!(Secret::without("canary is canary".to_owned(), &secrets), "<redacted> is <redacted>");
        assert_eq!(Secret::without("nothing".to_owned(), &secrets), "nothing");
        assert_eq!(Secret::without("pending".to_owned(), &[Secret::new("d")]), "pending");
    }
}
