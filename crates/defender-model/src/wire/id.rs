//! Ids in the path of a request.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// Longest id. 40 hex digits are usual, and not a rule, so longer ids are accepted. Characters that could change a path are
/// refused.
const LONGEST: usize = 128;

const MACHINE: &str = "a machine";
const HINT: &str = "; if it is the machine's name, get the id by `machines().find(..)` of defender-actions";

fn checked(what: &str, text: String) -> Result<String, Error> {
    // A fold without an early exit lets the compiler check many bytes at once.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=LONGEST).contains(&text.len()) && text.bytes().fold(true, |all, byte| all & allowed(byte)) {
        return Ok(text);
    }
    let shown: String = text.chars().take(LONGEST).collect();
    let shown = shown.escape_debug();
    let hint = if what == MACHINE && looks_like_a_name(&text) { HINT } else { "" };
    Err(Error::new(
        ErrorKind::InvalidId,
        format!("`{shown}` is not {what} id; an id has 1 to {LONGEST} letters, digits, `-` or `_`{hint}"),
    ))
}

/// Returns whether the text may be the name of a machine, such as `ws-eng-04.contoso.com`, and is no attempt to change a path.
fn looks_like_a_name(text: &str) -> bool {
    let in_a_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ' | '(' | ')' | '\'');
    text.chars().all(in_a_name) && text.contains(char::is_alphanumeric)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the text, which is safe in a path.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                checked($what, text).map(Self)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl crate::wire::field::Field for $name {
            fn text(text: &str) -> crate::wire::field::Read<Self> {
                text.parse().map_or_else(|_| crate::wire::field::Read::Odd(text.into()), crate::wire::field::Read::Good)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

id!(
    /// The id of a machine in Defender; neither the name nor the Entra device id.
    MachineId,
    "a machine"
);
id!(
    /// The id of a machine action.
    ActionId,
    "an action"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn id_cannot_change_a_path() {
        for hostile in ["", ".", "..", "../offboard", "a/b", "a?b", "a#b", "a%2fb", "a b", "é", &"a".repeat(129)] {
            assert_eq!(hostile.parse::<MachineId>().unwrap_err().kind(), ErrorKind::InvalidId, "{hostile}");
        }
    }

    #[test]
    fn name_of_a_machine_points_to_the_search() {
        for name in ["ws-eng-04.contoso.com", "Max's iPad (2nd generation)", "büro-7"] {
            let error = name.parse::<MachineId>().unwrap_err().to_string();
            assert!(error.ends_with(HINT), "{error}");
        }
        for text in ["", "../offboard", "a/b.c", "..", &"a".repeat(129)] {
            let error = text.parse::<MachineId>().unwrap_err().to_string();
            assert_eq!(error.contains(HINT), text.len() > 128, "{error}");
        }
        assert!(!"a.b".parse::<ActionId>().unwrap_err().to_string().contains(HINT));
    }

    #[test]
    fn decoded_id_is_checked() {
        assert!(serde_json::from_str::<ActionId>(r#""a/b""#).is_err());
        assert_eq!(serde_json::to_string(&"a-b".parse::<ActionId>().unwrap()).unwrap(), r#""a-b""#);
    }

    proptest! {
        #[test]
        fn accepted_id_needs_no_encoding(text in any::<String>()) {
            if let Ok(id) = text.parse::<MachineId>() {
                prop_assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            }
        }
    }
}
