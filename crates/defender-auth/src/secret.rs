//! Text that is never printed, and wiped when it is dropped.

use std::{borrow::Cow, fmt};

use defender_transport::Secrets;
use zeroize::{Zeroize, Zeroizing};

/// What stands in the place of a secret.
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

/// The text without what stands around it in a file.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(|char: char| char.is_whitespace() || char.is_control() || char == '\u{feff}')
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
    fn debug_shows_nothing_of_it() {
        assert_eq!(format!("{:?} {:#?}", Secret::new("canary"), Secret::new("canary")), "<redacted> <redacted>");
    }

    #[test]
    fn what_stands_around_a_secret_in_a_file_is_no_part_of_it() {
        for text in ["s e", "s e\n", "s e\r\n", "\u{feff}s e\n\n", " s e\t", "\0s e\0"] {
            assert_eq!(Secret::trimmed(text).reveal(), "s e", "{text:?}");
        }
        assert_eq!(Secret::trimmed(" \n").reveal(), "");
    }

    #[test]
    fn an_echo_is_taken_out_wherever_it_stands() {
        let secrets = [Secret::new("canary"), Secret::new("")];
        assert_eq!(Secret::without("canary is canary".to_owned(), &secrets), "<redacted> is <redacted>");
        assert_eq!(Secret::without("nothing".to_owned(), &secrets), "nothing");
        assert_eq!(Secret::without("pending".to_owned(), &[Secret::new("d")]), "pending");
    }
}
