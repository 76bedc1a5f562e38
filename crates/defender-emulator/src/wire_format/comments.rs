//! The comment of a record.

use std::str::FromStr;

use super::seeded::{rng, seed};

/// The comment of a record, compared with that of its POST.
///
/// A blank behind it stands in the documentation's samples and in captures. No page limits its length; what a store or a
/// gateway does to a text (cuts it, changes its line ends, escapes it) is drawn from what other services do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Comments {
    /// One blank stands behind it. The default.
    #[default]
    Blank,
    /// As it was sent.
    AsSent,
    /// No more than so many of its characters.
    Cut(usize),
    /// Each line ends in CR and LF, the last too.
    Crlf,
    /// `& < > " '` are written as HTML entities.
    Entities,
    /// Null.
    Null,
    /// Any of these for each action, by this seed; cut to 16 up to 128 characters.
    Seeded(u64),
}

impl Comments {
    /// The comment of the record of this number.
    pub(crate) fn written(self, number: usize, sent: String) -> Option<String> {
        match self {
            Self::Blank => Some(sent + " "),
            Self::AsSent => Some(sent),
            Self::Cut(length) => Some(sent.chars().take(length).collect()),
            Self::Crlf => Some(sent.lines().flat_map(|line| [line, "\r\n"]).collect()),
            Self::Entities => Some(entities(&sent)),
            Self::Null => None,
            Self::Seeded(seed) => {
                let mut rng = rng(seed, number, 3);
                let drawn = match rng.below(6) {
                    0 => Self::Blank,
                    1 => Self::AsSent,
                    2 => Self::Cut(usize::try_from(16 + rng.below(113)).unwrap_or(64)),
                    3 => Self::Crlf,
                    4 => Self::Entities,
                    _ => Self::Null,
                };
                drawn.written(number, sent)
            }
        }
    }
}

fn entities(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '"' => written.push_str("&quot;"),
            '\'' => written.push_str("&#39;"),
            other => written.push(other),
        }
    }
    written
}

impl FromStr for Comments {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "blank" => Ok(Self::Blank),
            "as-sent" => Ok(Self::AsSent),
            "crlf" => Ok(Self::Crlf),
            "entities" => Ok(Self::Entities),
            "null" => Ok(Self::Null),
            text => text
                .strip_prefix("cut:")
                .and_then(|length| length.parse().ok())
                .map(Self::Cut)
                .or_else(|| seed(text).map(Self::Seeded))
                .ok_or("expected blank, as-sent, cut:LENGTH, crlf, entities, null or seeded:NUMBER"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comment_is_written_as_chosen() {
        let sent = "a <b>\nc & 'd'";
        for (comments, written) in [
            (Comments::Blank, Some("a <b>\nc & 'd' ")),
            (Comments::AsSent, Some(sent)),
            (Comments::Cut(3), Some("a <")),
            (Comments::Crlf, Some("a <b>\r\nc & 'd'\r\n")),
            (Comments::Entities, Some("a &lt;b&gt;\nc &amp; &#39;d&#39;")),
            (Comments::Null, None),
        ] {
            assert_eq!(comments.written(0, sent.to_owned()).as_deref(), written, "{comments:?}");
        }
    }

    #[test]
    fn cut_counts_characters_and_not_bytes() {
        assert_eq!(Comments::Cut(2).written(0, "äöü".to_owned()).as_deref(), Some("äö"));
    }

    #[test]
    fn seed_draws_every_form_of_comment() {
        let sent = "<".repeat(200);
        let forms: std::collections::BTreeSet<_> =
            (0..200).map(|number| Comments::Seeded(1).written(number, sent.clone()).map(|text| text.len())).collect();
        assert!(forms.len() > 20 && forms.contains(&None) && forms.contains(&Some(800)), "{forms:?}");
    }
}
