//! The `requestor` of a record.

use std::str::FromStr;

use super::seeded::{rng, seed};

/// The `requestor` of a record, for an application. For a user it is the mail address, whatever is chosen.
///
/// Captures of 2023 to 2026 have the display name of the application's registration, those of 2020 to 2022 a GUID:
/// microsoft-365-docs#12638 and the test bodies of several connectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Requestor {
    /// The display name: see [`application_name`](crate::Emulator::application_name). The default.
    #[default]
    DisplayName,
    /// The application's id.
    ApplicationId,
    /// A mail address, as of the user who registered the application.
    Mail,
    /// The mail address of a guest. The token of a user has it in the forms of guests: `live.com#` before it in
    /// `unique_name`, and `#EXT#` inside it in `upn`.
    Guest,
    /// Any of the four for each action, by this seed.
    Seeded(u64),
}

impl Requestor {
    /// The choice for the action of this number.
    pub(crate) fn drawn(self, number: usize) -> Self {
        match self {
            Self::Seeded(seed) => match rng(seed, number, 1).below(4) {
                0 => Self::DisplayName,
                1 => Self::ApplicationId,
                2 => Self::Mail,
                _ => Self::Guest,
            },
            chosen => chosen,
        }
    }
}

impl FromStr for Requestor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "display-name" => Ok(Self::DisplayName),
            "app-id" => Ok(Self::ApplicationId),
            "mail" => Ok(Self::Mail),
            "guest" => Ok(Self::Guest),
            text => seed(text).map(Self::Seeded).ok_or("expected display-name, app-id, mail, guest or seeded:NUMBER"),
        }
    }
}
