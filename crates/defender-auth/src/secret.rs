//! Text that is never printed, and wiped when it is dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A secret: no `Display`, a `Debug` that shows nothing, memory that is wiped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Each use of this is a place from which it could leak.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_it() {
        assert_eq!(format!("{:?} {:#?}", Secret::new("canary"), Secret::new("canary")), "<redacted> <redacted>");
    }
}
