//! The name of a machine.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, percent_encode};

/// Longest name in characters: the limit of a DNS name. Inferred: the service states no limit.
const LONGEST: usize = 255;

/// The name of a machine: the service's `computerDnsName`, which is not always a DNS name. The service can look up a machine by
/// name (<https://learn.microsoft.com/en-us/defender-endpoint/api/get-machine-by-id>). An action requires the
/// [`MachineId`](crate::MachineId), since several machines may have the same name.
///
/// The text is kept unchanged, in its letter case. A name is refused if it is blank, is longer than 255 characters (inferred),
/// has a control character, a `/` or a `\`, or is `.` or `..`: a gateway that decodes a path too early would see another path.
/// Find a machine with such a name by a filter.
///
/// ```
/// use defender_model::MachineName;
///
/// let name: MachineName = "Max Mustermann iPadAir 17zoll (2ndgeneration)".parse()?;
/// assert_eq!(name.path_segment(), "Max%20Mustermann%20iPadAir%2017zoll%20%282ndgeneration%29");
/// assert!("../offboard".parse::<MachineName>().is_err());
/// # Ok::<(), defender_model::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MachineName(String);

impl MachineName {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as one percent-encoded segment of a path.
    #[must_use]
    pub fn path_segment(&self) -> String {
        percent_encode(&self.0)
    }
}

impl TryFrom<String> for MachineName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        let why = if text.trim().is_empty() {
            "is blank; give the machine's `computerDnsName`"
        } else if text.chars().count() > LONGEST {
            "is longer than 255 characters; find the machine by a filter"
        } else if text.chars().any(char::is_control) {
            "has a control character; find the machine by a filter"
        } else if text.contains(['/', '\\']) || matches!(text.as_str(), "." | "..") {
            "could change the path of the request; find the machine by a filter"
        } else {
            return Ok(Self(text));
        };
        let shown: String = text.chars().take(LONGEST).collect();
        Err(Error::new(ErrorKind::InvalidName, format!("`{}` is not a machine name: it {why}", shown.escape_debug())))
    }
}

impl FromStr for MachineName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        text.to_owned().try_into()
    }
}

impl From<MachineName> for String {
    fn from(name: MachineName) -> Self {
        name.0
    }
}

impl AsRef<str> for MachineName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for MachineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_name_error_states_the_reason() {
        for (text, why) in [
            ("", "blank"),
            (" \u{a0}", "blank"),
            (&"ä".repeat(256), "255"),
            ("ws\0", "control"),
            ("ws\r\nX-Evil: 1", "control"),
            ("ws\u{85}", "control"),
            (".", "path"),
            ("..", "path"),
            ("../offboard", "path"),
            ("a\\b", "path"),
        ] {
            let error = text.parse::<MachineName>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidName);
            assert!(error.to_string().contains(why), "{error}");
        }
        assert!("ä".repeat(255).parse::<MachineName>().is_ok());
    }

    #[test]
    fn name_is_kept_and_checked_when_decoded() {
        assert_eq!(" WS-Eng.04 ".parse::<MachineName>().unwrap().as_str(), " WS-Eng.04 ");
        assert!(serde_json::from_str::<MachineName>(r#""a/b""#).is_err());
    }
}
