//! The names of the API that tokens are for.

use crate::service::Service;

/// The audience of tokens for the API; a scope has it with `/.default` behind.
///
/// It is not the API's host: `https://api.security.microsoft.com` takes tokens for this name too
/// (<https://learn.microsoft.com/defender-endpoint/api/exposed-apis-create-app-webapp>).
pub(crate) const AUDIENCE: &str = "https://api.securitycenter.microsoft.com";

/// Other names of the same: the first is documented too, and works where `resource` is asked for
/// (microsoft-365-docs#13126); integrations from the service's first years ask for the second.
/// Then what is asked for in the government's clouds: no page names it, and connectors that are shipped ask for the API's host
/// or for the name of the directory (Splunk SOAR, rapid7; XSOAR).
const OTHER_NAMES: [&str; 6] = [
    "https://securitycenter.onmicrosoft.com/windowsatpservice",
    "https://api.securitycenter.windows.com",
    "https://api-gcc.securitycenter.microsoft.us",
    "https://api-gov.securitycenter.microsoft.us",
    "https://securitycenter.onmicrosoft.com",
    "https://securitycenter.onmicrosoft.us",
];

/// Resources of the same tenant that are not the API: a token for one is given, and the API forbids it, as others found
/// out with the name of its own host (Cortex-Analyzers#1479).
const OTHER_RESOURCES: [&str; 2] = ["https://api.security.microsoft.com", "https://graph.microsoft.com"];

impl Service {
    /// The audience that the emulator reports.
    pub(crate) fn audience(&self) -> &str {
        self.settings.audience.as_deref().unwrap_or(AUDIENCE)
    }

    /// Returns `true` if a token for this audience is one for the API.
    pub(crate) fn takes(&self, audience: &str) -> bool {
        audience == self.audience() || audience == AUDIENCE || OTHER_NAMES.contains(&audience)
    }

    /// Returns `true` if the tenant knows this resource.
    pub(crate) fn knows(&self, resource: &str) -> bool {
        self.takes(resource) || OTHER_RESOURCES.contains(&resource)
    }
}
