//! The settings of a quota that several processes share.

use std::{fmt, sync::Arc};

use defender_auth::CredentialIdentity;
use defender_transport::QuotaStore;

use super::DefenderClientBuilder;
use crate::{Error, ErrorKind};

/// Store of the quota, and the application and tenant for which the service counts it.
#[derive(Debug, Default)]
pub(super) struct SharedQuota {
    store: Option<Arc<dyn QuotaStore>>,
    application_id: Option<String>,
    tenant_id: Option<String>,
}

/// Settings of a quota that several processes share. Without a store, the client counts its own calls only.
impl DefenderClientBuilder {
    /// Sets the store in which all processes of an application count their calls in a tenant.
    ///
    /// The service counts the calls of an application in a tenant, and not those of a process. With a common store the processes
    /// keep to the quota together. If the store does not respond, nothing is sent: [`ErrorKind::QuotaStore`].
    /// `defender-store` has stores on SQLite and PostgreSQL; [`MemoryQuotaStore`](defender_transport::MemoryQuotaStore) is for
    /// several clients of one process.
    ///
    /// The store needs the ids of application and tenant. They come from the credential, as far as it names them, or from
    /// [`application_id`](Self::application_id) and [`tenant_id`](Self::tenant_id).
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use defender_actions::{
    ///     DefenderClient,
    ///     auth::ClientSecretCredential,
    ///     transport::{MemoryQuotaStore, SystemClock},
    /// };
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = Arc::new(MemoryQuotaStore::new(SystemClock::new()));
    /// let client = || {
    ///     let credential = ClientSecretCredential::from_env()?;
    ///     Ok::<_, Box<dyn std::error::Error>>(DefenderClient::builder().credential(credential).quota_store(store.clone()).build()?)
    /// };
    /// let (playbook, console) = (client()?, client()?);   // these two keep to one quota
    /// # Ok(())
    /// # }
    /// ```
    pub fn quota_store(mut self, store: Arc<dyn QuotaStore>) -> Self {
        self.shared_quota.store = Some(store);
        self
    }

    /// Sets the client id of the application, if the credential does not name it, as with a managed identity. It is the key of the
    /// shared quota and is not sent.
    pub fn application_id(mut self, application_id: impl Into<String>) -> Self {
        self.shared_quota.application_id = Some(application_id.into());
        self
    }

    /// Sets the id of the tenant, if the credential does not name it or names a domain. It is the key of the shared quota and is not
    /// sent.
    pub fn tenant_id(mut self, tenant_id: impl Into<String>) -> Self {
        self.shared_quota.tenant_id = Some(tenant_id.into());
        self
    }
}

impl SharedQuota {
    /// Returns the store and the first part of its keys.
    pub(super) fn of(self, identity: CredentialIdentity) -> Result<Option<(Arc<dyn QuotaStore>, String)>, Error> {
        let Some(store) = self.store else { return Ok(None) };
        let application = Id { name: "application", setting: "application_id" };
        let tenant = Id { name: "tenant", setting: "tenant_id" };
        let owner = format!(
            "{}/{}",
            application.checked(self.application_id.or(identity.client_id))?,
            tenant.checked(self.tenant_id.or(identity.tenant))?
        );
        Ok(Some((store, owner)))
    }
}

/// One of the two ids.
struct Id {
    name: &'static str,
    setting: &'static str,
}

impl Id {
    /// Returns the id in lower case. A domain is not accepted: two processes with two names of one tenant would count apart.
    fn checked(&self, id: Option<String>) -> Result<String, Error> {
        let Self { name, setting } = self;
        let wrong = |why: fmt::Arguments<'_>| {
            let context =
                format!("the quota store needs the id of the {name}, and {why}; set it with `.{setting}(..)`");
            Error::new(ErrorKind::Configuration).context(context)
        };
        let id = id.ok_or_else(|| wrong(format_args!("the credential does not name it")))?;
        let id = id.trim().to_ascii_lowercase();
        if is_guid(&id) { Ok(id) } else { Err(wrong(format_args!("`{id}` is not a GUID"))) }
    }
}

fn is_guid(text: &str) -> bool {
    let is_of_guid = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(is_of_guid)
}
