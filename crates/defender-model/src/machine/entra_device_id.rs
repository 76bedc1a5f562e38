//! The Entra device id.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// Positions of the hyphens in a GUID.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const LENGTH: usize = 36;

/// The id of a device in Entra, a GUID: the service's `aadDeviceId`. Actions require the [`MachineId`](crate::MachineId)
/// instead.
///
/// The value is kept in lower case. Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/machine>.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntraDeviceId(String);

impl EntraDeviceId {
    /// Returns the text in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EntraDeviceId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fits =
            |(at, byte): (usize, u8)| if HYPHENS.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() };
        if text.len() == LENGTH && text.bytes().enumerate().all(fits) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        let shown: String = text.chars().take(2 * LENGTH).collect();
        Err(Error::new(
            ErrorKind::InvalidId,
            format!(
                "`{}` is not an Entra device id; give a GUID such as `80fe8ff8-2624-418e-9591-41f0491218f9`",
                shown.escape_debug()
            ),
        ))
    }
}

impl TryFrom<String> for EntraDeviceId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<EntraDeviceId> for String {
    fn from(id: EntraDeviceId) -> Self {
        id.0
    }
}

impl fmt::Display for EntraDeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_guid_is_a_device_id() {
        let id: EntraDeviceId = "80FE8FF8-2624-418e-9591-41f0491218f9".parse().unwrap();
        assert_eq!(id.as_str(), "80fe8ff8-2624-418e-9591-41f0491218f9");
        for wrong in [
            "",
            "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
            "80fe8ff8-2624-418e-9591-41f0491218f",
            "80fe8ff8-2624-418e-9591-41f0491218fg",
            "80fe8ff802624-418e-9591-41f0491218f9",
            "{80fe8ff8-2624-418e-9591-41f0491218f9}",
            "80fe8ff8-2624-418e-9591-41f0491218f9 or true",
        ] {
            assert_eq!(wrong.parse::<EntraDeviceId>().unwrap_err().kind(), ErrorKind::InvalidId, "{wrong}");
        }
    }
}
