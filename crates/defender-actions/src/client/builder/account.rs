//! Application and tenant of a client: the keys of what several processes share.

use defender_auth::CredentialIdentity;

use super::DefenderClientBuilder;
use crate::{Error, ErrorKind};

/// Ids that the caller gives, before those that the credential names.
#[derive(Debug, Default)]
pub(super) struct Account {
    application_id: Option<String>,
    tenant_id: Option<String>,
    identity: CredentialIdentity,
}

impl DefenderClientBuilder {
    /// Sets the client id of the application, if the credential does not name it, as with a managed identity. It is the key of a
    /// [shared quota](Self::quota_store), and is not sent.
    pub fn application_id(mut self, application_id: impl Into<String>) -> Self {
        self.account.application_id = Some(application_id.into());
        self
    }

    /// Sets the id of the tenant, if the credential does not name it or names a domain. It is the key of a
    /// [shared quota](Self::quota_store) and of a [journal](Self::journal), and is not sent.
    pub fn tenant_id(mut self, tenant_id: impl Into<String>) -> Self {
        self.account.tenant_id = Some(tenant_id.into());
        self
    }
}

impl Account {
    /// Records what the credential names.
    pub(super) fn named_by(&mut self, identity: CredentialIdentity) {
        self.identity = identity;
    }

    /// Returns the id of the tenant, if it is known.
    pub(super) fn known_tenant(&self) -> Option<String> {
        let id = self.tenant_id.as_ref().or(self.identity.tenant.as_ref())?;
        guid(id)
    }

    /// Returns the id of the application, for what needs it.
    pub(super) fn application(&self, needed_by: &str) -> Result<String, Error> {
        let id = self.application_id.as_ref().or(self.identity.client_id.as_ref());
        checked(id, needed_by, "application", "application_id")
    }

    /// Returns the id of the tenant, for what needs it.
    pub(super) fn tenant(&self, needed_by: &str) -> Result<String, Error> {
        let id = self.tenant_id.as_ref().or(self.identity.tenant.as_ref());
        checked(id, needed_by, "tenant", "tenant_id")
    }
}

/// Returns the id in lower case. A domain is not accepted: two processes with two names of one tenant would count apart.
fn checked(id: Option<&String>, needed_by: &str, name: &str, setting: &str) -> Result<String, Error> {
    let why = match id {
        None => "the credential does not name it".to_owned(),
        Some(id) => match guid(id) {
            Some(guid) => return Ok(guid),
            None => format!("`{}` is not a GUID", id.trim()),
        },
    };
    let context = format!("the {needed_by} needs the id of the {name}, and {why}; set it with `.{setting}(..)`");
    Err(Error::new(ErrorKind::Configuration).context(context))
}

/// Returns the GUID in lower case.
fn guid(text: &str) -> Option<String> {
    let is_of_guid = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    let text = text.trim();
    (text.len() == 36 && text.bytes().enumerate().all(is_of_guid)).then(|| text.to_ascii_lowercase())
}
