//! The claims of an application's and of a user's tokens.

use crate::{entra::jwt::Claims, service::Service, settings::APPLICATION_NAME, wire_format::Requestor};

/// The user of every user sign-in.
pub(crate) const USER: &str = "analyst@contoso.example";
/// A guest who does, and how the tenant's directory calls them.
pub(crate) const GUEST: &str = "guest@fabrikam.example";
pub(crate) const GUEST_UPN: &str = "guest_fabrikam.example#EXT#@contoso.example";

impl Claims {
    /// Of the application itself, for this audience.
    pub(crate) fn of_application(service: &Service, audience: &str) -> Self {
        let now = service.clock.now().as_second();
        let roles = service.roles.iter().copied().filter(|_| service.takes(audience));
        Self {
            aud: audience.to_owned(),
            iss: format!("https://sts.windows.net/{}/", service.identity.tenant_id),
            iat: now,
            nbf: now,
            exp: now.saturating_add_unsigned(service.settings.token_lifetime.as_secs()),
            tid: service.identity.tenant_id.clone(),
            appid: service.identity.client_id.clone(),
            roles: roles.map(str::to_owned).collect(),
            scp: None,
            upn: None,
            unique_name: None,
        }
    }

    /// Of the one user who signs in with the application, for this audience.
    pub(crate) fn of_user(service: &Service, audience: &str) -> Self {
        // What both kinds share has one name but for the ending.
        let roles = service.roles.iter().filter(|_| service.takes(audience));
        let scopes: Vec<_> = roles.map(|role| role.strip_suffix(".All").unwrap_or(role)).collect();
        let application = Self::of_application(service, audience);
        let (upn, unique_name) = match service.behaviors().spelling.requestor {
            Requestor::Guest => (GUEST_UPN.to_owned(), format!("live.com#{GUEST}")),
            _ => (USER.to_owned(), USER.to_owned()),
        };
        let scp = Some(scopes.join(" "));
        Self { roles: Vec::new(), scp, upn: Some(upn), unique_name: Some(unique_name), ..application }
    }

    /// Returns the `requestor` of a record: the mail address of a user, or the choice for applications.
    pub(crate) fn requestor(&self, of_applications: Requestor) -> &str {
        if let Some(name) = self.unique_name.as_deref().or(self.upn.as_deref()) {
            return name.strip_prefix("live.com#").unwrap_or(name);
        }
        match of_applications {
            Requestor::ApplicationId => &self.appid,
            Requestor::Mail => USER,
            Requestor::Guest => GUEST,
            Requestor::DisplayName | Requestor::Seeded(_) => APPLICATION_NAME,
        }
    }
}
