//! What stands in the way of a token.

use std::fmt;

use jiff::Timestamp;

use crate::permissions::Needs;

/// Something that stands in the way, with what to do about it in its words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreflightIssue {
    /// The token is for another API: 403, which no message explains.
    Audience {
        /// For whom it is.
        is: String,
        /// For whom it must be.
        expected: String,
    },
    /// The token is for the API of one cloud, and the calls go to another cloud's.
    Host {
        /// Where the calls go.
        host: String,
        /// For whom the token is.
        audience: String,
    },
    /// The token is of another tenant.
    Tenant {
        /// Of which it is.
        is: String,
        /// Of which it must be.
        expected: String,
    },
    /// The token is over: 401.
    Expired {
        /// Since when.
        ended: Timestamp,
    },
    /// A permission is missing: 403.
    Permission {
        /// What takes it.
        what: &'static str,
        /// The permissions of which any one will do.
        any_of: &'static [&'static str],
        /// Whether it is to be given on behalf of a user (the token's `scp`), or to the application (its `roles`).
        delegated: bool,
    },
}

impl fmt::Display for PreflightIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audience { is, expected } => write!(
                f,
                "the token is for `{is}` and not for `{expected}`, which the API refuses with 403; check cloud and audience"
            ),
            Self::Host { host, audience } => write!(
                f,
                "the token is for `{audience}`, and the calls go to `{host}`, which is another cloud's; check cloud and base URL"
            ),
            Self::Tenant { is, expected } => {
                write!(f, "the token is of the tenant {is} and not of {expected}; check the credential's tenant")
            }
            Self::Expired { ended } => write!(f, "the token is over since {ended}; get another"),
            Self::Permission { what, any_of, delegated } => write!(
                f,
                "{what} takes the {} permission {}{}; add it to the application (API `WindowsDefenderATP`) and have an \
                 administrator consent to it{}",
                if *delegated { "delegated" } else { "application" },
                any_of.join(" or "),
                if [Needs::READING.application, Needs::READING.delegated].contains(any_of) {
                    " (today's page names the first, an older one both)"
                } else {
                    ""
                },
                if *delegated {
                    "; the user needs a role in Defender that allows it, too (in Unified RBAC or in Defender for Endpoint)"
                } else {
                    ""
                },
            ),
        }
    }
}

/// A cloud whose API takes the tokens of no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApiCloud {
    Commercial,
    Gcc,
    Gov,
}

/// The cloud of an audience or of an API's host, if it is one of the service's: each has several names. Sources:
/// <https://learn.microsoft.com/en-us/defender-endpoint/api/exposed-apis-list>,
/// <https://learn.microsoft.com/en-us/defender-endpoint/gov>, and what working clients use.
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

/// Whether it is the service's name by its application, which is documented for the commercial cloud and used by clients of the
/// others.
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
    fn each_name_of_the_service_is_of_its_cloud() {
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
    fn a_tenant_is_told_by_its_id_and_not_by_its_name() {
        assert!(is_guid("72f988bf-86f1-41af-91ab-2d7cd011db47"));
        assert!(!is_guid("contoso.onmicrosoft.com") && !is_guid("72f988bf086f1041af091ab02d7cd011db47"));
    }
}
