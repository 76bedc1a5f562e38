//! The comment of an action.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// Why an action is done, for the audit trail. Sent as it was given; never empty or blank, since the service requires it
/// (<https://learn.microsoft.com/en-us/defender-endpoint/api/unrestrict-code-execution>).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Comment(String);

impl Comment {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Comment> for String {
    fn from(comment: Comment) -> Self {
        comment.0
    }
}

impl TryFrom<String> for Comment {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Err(Error::new(ErrorKind::InvalidComment, "the comment is empty; say why the action is done"));
        }
        Ok(Self(text))
    }
}

impl FromStr for Comment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.to_owned().try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_that_says_nothing_is_refused_and_any_other_is_kept_as_it_is() {
        for blank in ["", " ", "\t\r\n", "\u{a0}"] {
            assert_eq!(blank.parse::<Comment>().unwrap_err().kind(), ErrorKind::InvalidComment);
        }
        assert_eq!(" cleaned \n".parse::<Comment>().unwrap().as_str(), " cleaned \n");
    }
}
