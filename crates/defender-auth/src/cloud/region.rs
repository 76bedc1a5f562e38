//! Regional hosts of the API.

/// A region of the commercial cloud, for an API host that is nearer.
///
/// A region changes the address only: authority and audience stay the cloud's. The government clouds have no regions.
/// Source: <https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-list>.
///
/// ```
/// assert_eq!(defender_auth::Region::Eu.base_url(), "https://eu.api.security.microsoft.com");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Region {
    /// United States.
    Us,
    /// Europe.
    Eu,
    /// United Kingdom.
    Uk,
    /// Australia.
    Au,
    /// Switzerland.
    Swa,
    /// India.
    Ina,
    /// United Arab Emirates (inferred from its name; the page prints the host alone).
    Aea,
}

impl Region {
    /// Every region.
    pub const ALL: [Self; 7] = [Self::Us, Self::Eu, Self::Uk, Self::Au, Self::Swa, Self::Ina, Self::Aea];

    /// Base URL of the API, without the prefix `/api`.
    #[must_use]
    pub fn base_url(self) -> &'static str {
        match self {
            Self::Us => "https://us.api.security.microsoft.com",
            Self::Eu => "https://eu.api.security.microsoft.com",
            Self::Uk => "https://uk.api.security.microsoft.com",
            Self::Au => "https://au.api.security.microsoft.com",
            Self::Swa => "https://swa.api.security.microsoft.com",
            Self::Ina => "https://ina.api.security.microsoft.com",
            Self::Aea => "https://aea.api.security.microsoft.com",
        }
    }
}
