//! Application and tenant that a credential names.

/// Application and tenant that a credential names. The service counts its quota for these two.
///
/// ```
/// use defender_auth::{ClientSecretCredential, IntoCredential};
///
/// let credential = ClientSecretCredential::new("contoso.example", "0e8a5c1f-0000-0000-0000-000000000000", "secret");
/// let identity = credential.identity();
/// assert_eq!(identity.tenant.as_deref(), Some("contoso.example"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialIdentity {
    /// Client id of the application. `None` if only a token has it, as with a managed identity.
    pub client_id: Option<String>,
    /// Tenant: its id or one of its domains. `None` if only a token has it.
    pub tenant: Option<String>,
}

impl CredentialIdentity {
    /// Returns the identity of an application in a tenant. `organizations` and the like are no tenant.
    pub(crate) fn of(tenant: &str, client_id: &str) -> Self {
        let named = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let tenant = named(tenant).filter(|tenant| !is_of_all_tenants(tenant));
        Self { client_id: named(client_id), tenant }
    }
}

/// Returns whether the name stands for every tenant, as the endpoints for users do.
pub(crate) fn is_of_all_tenants(tenant: &str) -> bool {
    ["common", "organizations", "consumers"].iter().any(|name| tenant.eq_ignore_ascii_case(name))
}
