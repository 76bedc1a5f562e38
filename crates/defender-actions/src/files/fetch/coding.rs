//! The encoding of a file on its way.

use defender_model::sanitize_line;
use http::{HeaderMap, header};

use super::CODE;

/// How the bytes of a file are encoded on their way. None is asked for; who sends one all the same is a store that keeps it so,
/// or a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    /// The one encoding that `headers` name, or the words of what is more than that.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let lines = headers.get_all(header::CONTENT_ENCODING).iter();
        let text =
            lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect::<Vec<_>>().join(",");
        let words =
            text.split(',').map(str::trim).filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("identity"));
        match words.collect::<Vec<_>>().as_slice() {
            [] => Ok(Self::Identity),
            [one] if one.eq_ignore_ascii_case("gzip") || one.eq_ignore_ascii_case("x-gzip") => Ok(Self::Gzip),
            others => Err(sanitize_line(&others.join(", "), CODE)),
        }
    }
}
