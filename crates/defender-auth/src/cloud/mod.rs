//! The clouds that the service runs in.

pub(crate) mod region;

use std::str::FromStr;

use crate::{Error, ErrorKind};

/// A cloud: where tokens come from, for whom they are, and where the API is.
///
/// Commercial and government hosts are from <https://learn.microsoft.com/en-us/defender-endpoint/gov>. The audiences of
/// the government clouds are not documented; those given here are the ones that working clients use, the API's own host. All
/// three settings can be overridden, each by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cloud {
    /// The commercial cloud.
    #[default]
    Public,
    /// US Government Community Cloud.
    Gcc,
    /// US Government Community Cloud High.
    GccHigh,
    /// US Department of Defense.
    DoD,
}

impl Cloud {
    /// Host that issues tokens.
    #[must_use]
    pub fn authority(self) -> &'static str {
        match self {
            Self::Public | Self::Gcc => "https://login.microsoftonline.com",
            Self::GccHigh | Self::DoD => "https://login.microsoftonline.us",
        }
    }

    /// For whom tokens are: the scope without `/.default`.
    #[must_use]
    pub fn audience(self) -> &'static str {
        match self {
            Self::Public => "https://api.securitycenter.microsoft.com",
            Self::Gcc => "https://api-gcc.securitycenter.microsoft.us",
            Self::GccHigh | Self::DoD => "https://api-gov.securitycenter.microsoft.us",
        }
    }

    /// Base URL of the API, without the prefix `/api`.
    #[must_use]
    pub fn base_url(self) -> &'static str {
        match self {
            Self::Public => "https://api.security.microsoft.com",
            Self::Gcc => "https://api-gcc.securitycenter.microsoft.us",
            Self::GccHigh | Self::DoD => "https://api-gov.securitycenter.microsoft.us",
        }
    }
}

impl FromStr for Cloud {
    type Err = Error;

    /// Reads the name of a cloud, in any letter case, with or without a hyphen: `public`, `gcc`, `gcc-high` or `dod`.
    ///
    /// ```
    /// use defender_auth::Cloud;
    ///
    /// assert_eq!("gcc-high".parse::<Cloud>()?, Cloud::GccHigh);
    /// # Ok::<(), defender_auth::Error>(())
    /// ```
    fn from_str(name: &str) -> Result<Self, Error> {
        match name.trim().to_ascii_lowercase().replace(['-', '_', ' '], "").as_str() {
            "public" | "commercial" => Ok(Self::Public),
            "gcc" => Ok(Self::Gcc),
            "gcchigh" => Ok(Self::GccHigh),
            "dod" => Ok(Self::DoD),
            _ => {
                let shown = name.chars().take(40).collect::<String>();
                let what =
                    format!("`{}` is not a cloud; use `public`, `gcc`, `gcc-high` or `dod`", shown.escape_debug());
                Err(Error::new(ErrorKind::Configuration).context(what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloud_is_read_by_its_name() {
        for (name, cloud) in [
            ("Public", Cloud::Public),
            ("commercial", Cloud::Public),
            (" GCC\n", Cloud::Gcc),
            ("GccHigh", Cloud::GccHigh),
            ("gcc_high", Cloud::GccHigh),
            ("DoD", Cloud::DoD),
        ] {
            assert_eq!(name.parse::<Cloud>().unwrap(), cloud, "{name}");
        }
        for name in ["", "china", "AzureUSGovernment", "gcc high dod"] {
            assert!(name.parse::<Cloud>().unwrap_err().to_string().contains("use `public`, `gcc`,"), "{name}");
        }
    }

    #[test]
    fn cloud_settings_are_bare_https_hosts() {
        for cloud in [Cloud::Public, Cloud::Gcc, Cloud::GccHigh, Cloud::DoD] {
            for url in [cloud.authority(), cloud.audience(), cloud.base_url()] {
                let host = url.strip_prefix("https://").unwrap();
                assert!(host.split('.').count() >= 3 && !host.contains('/'), "{cloud:?}: {url}");
            }
            // Tokens of the government's clouds that are apart come from the government's authority.
            let is_apart = matches!(cloud, Cloud::GccHigh | Cloud::DoD);
            assert_eq!(cloud.authority().ends_with("online.us"), is_apart, "{cloud:?}");
        }
        // Another host than the API's: a token for that one is refused by it.
        assert_ne!(Cloud::Public.audience(), Cloud::Public.base_url());
    }
}
