//! One target, and its meaning.

use defender_actions::model::{Filter, Machine, MachineId};

/// Part of the targets.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    One(Target),
    Tag(String),
    Filter(Filter<Machine>),
}

/// One machine, as it was given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// Text as it was given.
    pub(crate) text: String,
    /// Place of the text, such as `hosts.csv:17`.
    pub(crate) source: Option<String>,
    pub(crate) meaning: Meaning,
}

/// Meaning of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning {
    Id(MachineId),
    Name(String),
    /// Neither, for this reason.
    Invalid(String),
}

impl Target {
    /// Text of a file, whose content decides whether it is an id or a name.
    pub(super) fn by_content(text: &str, source: String) -> Self {
        let trimmed = text.trim();
        let is_id = matches!(trimmed.len(), 32 | 40) && trimmed.bytes().all(|byte| byte.is_ascii_hexdigit());
        let meaning = match trimmed.parse() {
            Ok(id) if is_id => Meaning::Id(id),
            _ => Meaning::name(text),
        };
        Self { text: trimmed.to_owned(), source: Some(source), meaning }
    }

    pub(super) fn invalid(text: impl Into<String>, source: String, why: impl Into<String>) -> Self {
        Self { text: text.into(), source: Some(source), meaning: Meaning::Invalid(why.into()) }
    }
}

impl Meaning {
    pub(super) fn name(text: &str) -> Self {
        let name = text.trim();
        if name.is_empty() {
            Self::Invalid("the name is blank".to_owned())
        } else if name.contains(['\n', '\r']) {
            Self::Invalid("the name has a line break; a quote may be missing in the file".to_owned())
        } else if name.chars().any(char::is_control) {
            Self::Invalid("the name has a control character".to_owned())
        } else {
            Self::Name(name.to_owned())
        }
    }
}
