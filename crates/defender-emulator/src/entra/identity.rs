//! Who asks: one tenant, one application in it, and the machines that it looks after, the same at each start.

use crate::{ids::Ids, service::Service};

/// What a token for the API is for, and what a scope asks for with `/.default` behind it.
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
    /// What the emulator says tokens are for.
    pub(crate) fn audience(&self) -> &str {
        self.settings.audience.as_deref().unwrap_or(AUDIENCE)
    }

    /// Whether a token for this audience is one for the API.
    pub(crate) fn takes(&self, audience: &str) -> bool {
        audience == self.audience() || audience == AUDIENCE || OTHER_NAMES.contains(&audience)
    }

    /// Whether the tenant knows this resource.
    pub(crate) fn knows(&self, resource: &str) -> bool {
        self.takes(resource) || OTHER_RESOURCES.contains(&resource)
    }
}

/// Who signs in where a user does.
pub(crate) const USER: &str = "analyst@contoso.example";
/// A guest who does, and how the tenant's directory calls them.
pub(crate) const GUEST: &str = "guest@fabrikam.example";
pub(crate) const GUEST_UPN: &str = "guest_fabrikam.example#EXT#@contoso.example";

/// Every application permission that the API's pages name for machines, their actions and the library.
pub(crate) const ROLES: [&str; 11] = [
    "Alert.ReadWrite.All",
    "Library.Manage",
    "Machine.CollectForensics",
    "Machine.Isolate",
    "Machine.LiveResponse",
    "Machine.Offboard",
    "Machine.Read.All",
    "Machine.ReadWrite.All",
    "Machine.RestrictExecution",
    "Machine.Scan",
    "Machine.StopAndQuarantine",
];

/// A machine's id and its name. The first id is the one in the documentation's samples.
pub(crate) const MACHINES: [(&str, &str); 3] = [
    ("1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "ws-eng-04.contoso.example"),
    ("3b6a6b3f1f0c4b8d9d5f2e8a7c41509e66d2fa18", "ws-eng-042.contoso.example"),
    ("7a2f4cc81de0937b54be6f0d9183a5c2704e1bb9", "C-Lab-31"),
];

/// The ids and the secret of every emulator that was not given others. They open nothing but an emulator.
///
/// The secret has two characters that change their meaning in a form: a client that does not percent-encode it shall not pass.
const TENANT_ID: &str = "7e4a47d0-0000-4000-8000-000000000001";
const CLIENT_ID: &str = "c11e47d0-0000-4000-8000-000000000002";
const CLIENT_SECRET: &str = "e+8Q~%defender-emulator.opens_nothing_else";

/// The tenant and the application.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) tenant_id: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

impl Identity {
    /// The one of every emulator, or one with ids and a secret from a seed.
    pub(crate) fn new(ids: &Ids) -> Self {
        if ids.are_seeded() {
            let [tenant_id, client_id] = [ids.next(), ids.next()].map(|id| id.to_string());
            return Self { tenant_id, client_id, client_secret: format!("e+8Q~%{}", ids.next().simple()) };
        }
        let [tenant_id, client_id, client_secret] = [TENANT_ID, CLIENT_ID, CLIENT_SECRET].map(str::to_owned);
        Self { tenant_id, client_id, client_secret }
    }
}
