//! The comment of an action.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// The reason for an action, for the audit trail. It is sent unchanged. It is never empty or blank, since the service
/// requires a comment (<https://learn.microsoft.com/en-us/defender-endpoint/api/unrestrict-code-execution>).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Comment(String);

impl Comment {
    /// Returns the text.
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
            return Err(Error::new(ErrorKind::InvalidComment, "the comment is empty; give the reason for the action"));
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
    fn blank_comment_is_refused() {
        for blank in ["", " ", "\t\r\n", "\u{a0}"] {
            assert_eq!(blank.parse::<Comment>().unwrap_err().kind(), ErrorKind::InvalidComment);
        }
        assert_eq!(" cleaned \n".parse::<Comment>().unwrap().as_str(), " cleaned \n");
    }
}
