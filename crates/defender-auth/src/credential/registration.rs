//! Application and tenant of a credential.

use zeroize::Zeroizing;

use crate::{
    CredentialIdentity, Error, ErrorKind,
    credential::identity::is_of_all_tenants,
    env_vars::{AUTHORITY, CLIENT, Environment, TENANT},
};

/// An application in a tenant, as a description of a credential names it.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) tenant: String,
    pub(crate) client_id: String,
    /// Authority from the environment, if it names one.
    pub(crate) authority: Option<String>,
}

impl Registration {
    pub(crate) fn new(tenant: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self { tenant: tenant.into(), client_id: client_id.into(), authority: None }
    }

    /// Reads the registration from the environment, and the value of `besides`, which must be set too.
    pub(crate) fn from_environment(
        environment: &Environment,
        besides: &'static str,
    ) -> Result<(Self, Zeroizing<String>), Error> {
        let [tenant, client_id, besides] = environment.all([TENANT, CLIENT, besides])?;
        let authority = environment.get(AUTHORITY).map(|authority| authority.as_str().to_owned());
        Ok((Self { authority, ..Self::new(tenant.as_str(), client_id.as_str()) }, besides))
    }

    pub(crate) fn identity(&self) -> CredentialIdentity {
        CredentialIdentity::of(&self.tenant, &self.client_id)
    }

    /// Refuses a tenant in which an application cannot ask for itself: its token is of one tenant.
    pub(crate) fn of_one_tenant(&self) -> Result<(), Error> {
        given("client id", &self.client_id)?;
        if is_of_all_tenants(&self.tenant) {
            return Err(Error::new(ErrorKind::Configuration).context(format!(
                "the tenant `{}` is for people who sign in; an application needs the id or a domain of one tenant",
                self.tenant
            )));
        }
        Ok(())
    }
}

/// Refuses a setting that is empty.
pub(crate) fn given(what: &str, value: &str) -> Result<(), Error> {
    if value.trim().is_empty() {
        return Err(Error::new(ErrorKind::Configuration).context(format!("the {what} is empty; give it a value")));
    }
    Ok(())
}
