//! The content encoding of a download.

use defender_model::sanitize_line;
use http::{HeaderMap, header};

/// Longest part of the store's error code that is shown, in characters.
pub(super) const CODE: usize = 100;

/// Content encoding of a response. None is requested. A store that has the file encoded, or a proxy, may send one anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
}

impl Coding {
    /// Returns the encoding that `headers` name, or the text of an unknown or stacked one.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let lines = headers.get_all(header::CONTENT_ENCODING).iter();
        let text =
            lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect::<Vec<_>>().join(",");
        let names =
            text.split(',').map(str::trim).filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
        match names.collect::<Vec<_>>().as_slice() {
            [] => Ok(Self::Identity),
            [one] if one.eq_ignore_ascii_case("gzip") || one.eq_ignore_ascii_case("x-gzip") => Ok(Self::Gzip),
            others => Err(sanitize_line(&others.join(", "), CODE)),
        }
    }
}
