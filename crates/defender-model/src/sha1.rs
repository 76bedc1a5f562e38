//! The SHA-1 of a file.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

const DIGITS: usize = 40;

/// The SHA-1 of a file: 40 hex digits, read in either case and written in lower case. The service accepts no other hash
/// to stop and quarantine a file
/// (<https://learn.microsoft.com/en-us/defender-endpoint/api/stop-and-quarantine-file>).
///
/// ```
/// use defender_model::Sha1;
///
/// let sha1: Sha1 = "87662BC3D60E4200CEAF7AAE249D1C343F4B83C9".parse()?;
/// assert_eq!(sha1.to_string(), "87662bc3d60e4200ceaf7aae249d1c343f4b83c9");
///
/// let sha256 = "a4752c71d81afd3d5865d24ddb11a6b0c615062fcc448d24050c2172d2cbccd6";
/// let error = sha256.parse::<Sha1>().unwrap_err();
/// assert_eq!(error.to_string(), format!("`{sha256}` looks like a SHA-256; the service accepts only a SHA-1, 40 hex digits"));
/// # Ok::<(), defender_model::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha1(String);

impl Sha1 {
    /// Returns the 40 digits in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sha1 {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused(text, "is not a hash"));
        }
        match text.len() {
            DIGITS => Ok(Self(text.to_ascii_lowercase())),
            32 => Err(refused(text, "looks like an MD5")),
            64 => Err(refused(text, "looks like a SHA-256")),
            _ => Err(refused(text, "has the wrong length")),
        }
    }
}

impl TryFrom<String> for Sha1 {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Sha1> for String {
    fn from(sha1: Sha1) -> Self {
        sha1.0
    }
}

impl AsRef<str> for Sha1 {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Sha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn refused(text: &str, why: &str) -> Error {
    let shown: String = text.chars().take(2 * DIGITS).collect();
    let shown = shown.escape_debug();
    Error::new(
        ErrorKind::InvalidHash,
        format!("`{shown}` {why}; the service accepts only a SHA-1, {DIGITS} hex digits"),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn invalid_sha1_error_states_the_reason() {
        for (text, why) in [
            ("", "wrong length"),
            (&"a".repeat(39), "wrong length"),
            (&"a".repeat(41), "wrong length"),
            (&"a".repeat(32), "MD5"),
            (&"A".repeat(64), "SHA-256"),
            (&"g".repeat(40), "not a hash"),
            (&"é".repeat(20), "not a hash"),
            (&"٣".repeat(40), "not a hash"),
            (&format!(" {}", "a".repeat(40)), "not a hash"),
        ] {
            let error = text.parse::<Sha1>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidHash);
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn decoded_sha1_is_checked() {
        assert!(serde_json::from_str::<Sha1>(r#""87662bc3""#).is_err());
    }

    proptest! {
        #[test]
        fn sha1_is_written_in_lower_case(text in "[0-9a-fA-F]{40}") {
            let sha1: Sha1 = text.parse().unwrap();
            prop_assert_eq!(sha1.to_string(), text.to_ascii_lowercase());
            let json = serde_json::to_string(&sha1).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sha1>(&json).unwrap(), sha1);
        }
    }
}
