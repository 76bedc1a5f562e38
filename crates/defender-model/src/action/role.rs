//! The roles that a user needs beside a permission.

use std::fmt;

/// The role that a user needs beside the permission of the application, by both of its names.
///
/// Tenants that were created since February 2025 have Unified RBAC only, older ones may have the roles of Defender for
/// Endpoint. Source: <https://learn.microsoft.com/en-us/defender-xdr/compare-rbac-roles>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserRole {
    /// Its permission in Defender for Endpoint.
    pub endpoint: &'static str,
    /// Its permission in Unified RBAC.
    pub unified: &'static str,
}

impl UserRole {
    /// For nearly all response actions, by their pages.
    pub const ACTIVE_REMEDIATION: Self =
        Self::new("Active remediation actions", "Security operations / Security data / Response (manage)");
    /// For collecting evidence:
    /// <https://learn.microsoft.com/en-us/defender-endpoint/api/collect-investigation-package>.
    pub const ALERTS_INVESTIGATION: Self =
        Self::new("Alerts investigation", "Security operations / Security data / Alerts (manage)");
    /// For live response and its library: <https://learn.microsoft.com/en-us/defender-endpoint/api/run-live-response>.
    pub const LIVE_RESPONSE: Self =
        Self::new("Live response", "Security operations / Basic (or Advanced) live response (manage)");
    /// For reading.
    pub const VIEW_DATA: Self =
        Self::new("View data", "Security operations / Security data / Security data basics (read)");
    /// For changing what is kept about a machine.
    pub const MANAGE_SECURITY_SETTINGS: Self = Self::new(
        "Manage security settings",
        "Authorization and settings / Security settings / Core security settings (manage)",
    );

    /// The role of these names.
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
