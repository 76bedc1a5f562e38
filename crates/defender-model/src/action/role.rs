//! The Defender roles of users.

use std::fmt;

/// The role that a user needs in addition to the permission of the application, under both of its names.
///
/// Tenants created since February 2025 have Unified RBAC only; older tenants may have the roles of Defender for Endpoint.
/// Source: <https://learn.microsoft.com/en-us/defender-xdr/compare-rbac-roles>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserRole {
    /// Permission in Defender for Endpoint.
    pub endpoint: &'static str,
    /// Permission in Unified RBAC.
    pub unified: &'static str,
}

impl UserRole {
    /// Role for nearly all response actions. Source: the page of each action.
    pub const ACTIVE_REMEDIATION: Self =
        Self::new("Active remediation actions", "Security operations / Security data / Response (manage)");
    /// Role for collecting evidence:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/collect-investigation-package>.
    pub const ALERTS_INVESTIGATION: Self =
        Self::new("Alerts investigation", "Security operations / Security data / Alerts (manage)");
    /// Role for live response and its library: <https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response>.
    pub const LIVE_RESPONSE: Self =
        Self::new("Live response", "Security operations / Basic (or Advanced) live response (manage)");
    /// Role for reading.
    pub const VIEW_DATA: Self =
        Self::new("View data", "Security operations / Security data / Security data basics (read)");
    /// Role for changing the tags and the value of a machine.
    pub const MANAGE_SECURITY_SETTINGS: Self = Self::new(
        "Manage security settings",
        "Authorization and settings / Security settings / Core security settings (manage)",
    );

    /// Creates a role from its two names.
    #[must_use]
    pub const fn new(endpoint: &'static str, unified: &'static str) -> Self {
        Self { endpoint, unified }
    }
}

impl fmt::Display for UserRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (Unified RBAC: `{}`)", self.endpoint, self.unified)
    }
}
