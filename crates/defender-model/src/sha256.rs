//! The SHA-256 of a file.

use std::{fmt, str::FromStr};

use crate::{Error, ErrorKind};

const DIGITS: usize = 64;

/// The SHA-256 of a file: 64 hex digits, read in either case and written in lower case.
///
/// ```
/// use defender_model::Sha256;
///
/// let empty: Sha256 = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855".parse()?;
/// assert_eq!(empty.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
/// # Ok::<(), defender_model::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Returns the 32 bytes of the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Sha256 {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Sha256 {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits: Vec<u8> = text.chars().map_while(|digit| digit.to_digit(16)?.try_into().ok()).collect();
        if digits.len() != DIGITS || text.len() != DIGITS {
            let shown: String = text.chars().take(2 * DIGITS).collect();
            let what = format!("`{}` is not a SHA-256; give {DIGITS} hex digits", shown.escape_debug());
            return Err(Error::new(ErrorKind::InvalidHash, what));
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |value, digit| value << 4 | digit);
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_hex_digits_are_a_sha256() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hash: Sha256 = text.parse().unwrap();
        assert_eq!((hash.as_bytes()[0], hash.as_bytes()[31]), (0xba, 0xad));
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.to_uppercase().parse::<Sha256>().unwrap(), hash);
        for wrong in ["", "ba78", &format!("{text}0"), &format!(" {text}"), &text.replace('b', "g"), &"ä".repeat(32)] {
            let error = wrong.parse::<Sha256>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidHash);
            assert!(error.to_string().contains("is not a SHA-256"), "{error}");
        }
    }
}
