//! Issues of a token.

use std::fmt;

use jiff::Timestamp;

use crate::permissions::Needs;

/// Issue of the token. Its text has the advice.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreflightIssue {
    /// The token is for another API. The API refuses it with 403, without an explanation.
    Audience {
        /// Audience of the token.
        is: String,
        /// Required audience.
        expected: String,
    },
    /// The token is for the API of one cloud, and the calls go to the API of another.
    Host {
        /// Host of the calls.
        host: String,
        /// Audience of the token.
        audience: String,
    },
    /// The token is from another tenant.
    Tenant {
        /// Tenant of the token.
        is: String,
        /// Required tenant.
        expected: String,
    },
    /// The token has expired: 401.
    Expired {
        /// Time of expiry.
        ended: Timestamp,
    },
    /// A permission is missing: 403.
    Permission {
        /// Operation that requires it.
        what: &'static str,
        /// Permissions, any one of them.
        any_of: &'static [&'static str],
        /// True for a delegated permission of a user (`scp` of the token), false for an application permission (`roles`).
        delegated: bool,
    },
}

impl fmt::Display for PreflightIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audience { is, expected } => write!(
                f,
                "the token is for `{is}` and not for `{expected}`, so the API refuses it with 403; check cloud and audience"
            ),
            Self::Host { host, audience } => write!(
                f,
                "the token is for `{audience}`, and the calls go to `{host}` in another cloud; check cloud and base URL"
            ),
            Self::Tenant { is, expected } => {
                write!(f, "the token is from tenant {is} and not from {expected}; check the credential's tenant")
            }
            Self::Expired { ended } => write!(f, "the token expired at {ended}; get another one"),
            Self::Permission { what, any_of, delegated } => write!(
                f,
                "{what} requires the {} permission {}{}; add it to the application (API `WindowsDefenderATP`) and have an \
                 administrator consent to it{}",
                if *delegated { "delegated" } else { "application" },
                any_of.join(" or "),
                if [Needs::READING.application, Needs::READING.delegated].contains(any_of) {
                    " (the current page names the first, an older one both)"
                } else {
                    ""
                },
                if *delegated {
                    "; the user also needs a role in Defender that allows it (in Unified RBAC or in Defender for Endpoint)"
                } else {
                    ""
                },
            ),
        }
    }
}

/// Cloud whose API accepts only its own tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApiCloud {
    Commercial,
    Gcc,
    Gov,
}

/// Returns the cloud of an audience or of a host of the API, if it is one of the service's names. Each cloud has several. Sources:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-list>,
/// <https://learn.microsoft.com/en-us/defender-endpoint/gov>, and the names that working clients use.
pub(super) fn cloud_of(url: &str) -> Option<ApiCloud> {
    let rest = url.strip_prefix("https://")?.to_ascii_lowercase();
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let is_under =
        |domain: &str| host.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'));
    match host {
        "api-gcc.securitycenter.microsoft.us" => Some(ApiCloud::Gcc),
        "api-gov.securitycenter.microsoft.us" => Some(ApiCloud::Gov),
        _ if ["api.security.microsoft.com", "securitycenter.microsoft.com", "securitycenter.windows.com"]
            .into_iter()
            .any(is_under) =>
        {
            Some(ApiCloud::Commercial)
        }
        _ => None,
    }
}

/// Returns whether the audience is the service's application URI, which is documented for the commercial cloud and used by clients of
/// the others.
pub(super) fn is_by_application(audience: &str) -> bool {
    ["https://securitycenter.onmicrosoft.com", "https://securitycenter.onmicrosoft.us"]
        .iter()
        .any(|name| audience.strip_prefix(name).is_some_and(|rest| matches!(rest, "" | "/windowsatpservice")))
}

pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(place, c)| match place {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_service_have_a_cloud() {
        for (url, cloud) in [
            ("https://api.security.microsoft.com/api", Some(ApiCloud::Commercial)),
            ("https://eu.api.security.microsoft.com", Some(ApiCloud::Commercial)),
            ("https://api.securitycenter.microsoft.com", Some(ApiCloud::Commercial)),
            ("https://api-us.securitycenter.microsoft.com", Some(ApiCloud::Commercial)),
            ("https://api.securitycenter.windows.com", Some(ApiCloud::Commercial)),
            ("https://securitycenter.onmicrosoft.com/windowsatpservice", None),
            ("https://api-gcc.securitycenter.microsoft.us", Some(ApiCloud::Gcc)),
            ("https://api-gov.securitycenter.microsoft.us:443", Some(ApiCloud::Gov)),
            ("https://evilsecuritycenter.microsoft.com", None),
            ("https://graph.microsoft.com", None),
            ("https://127.0.0.1:1", None),
        ] {
            assert_eq!(cloud_of(url), cloud, "{url}");
        }
    }

    #[test]
    fn tenant_id_is_a_guid() {
        assert!(is_guid("72f988bf-86f1-41af-91ab-2d7cd011db47"));
        assert!(!is_guid("contoso.onmicrosoft.com") && !is_guid("72f988bf086f1041af091ab02d7cd011db47"));
    }
}
