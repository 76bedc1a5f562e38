//! The clouds that the service runs in.

pub(crate) mod region;

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

#[cfg(test)]
mod tests {
    use super::*;

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
