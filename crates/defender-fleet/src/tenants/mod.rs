//! The tenants of a fleet.

use std::{collections::BTreeMap, fmt, sync::Arc};

use defender_actions::DefenderClientBuilder;

use crate::{Error, ErrorKind};

/// Tenants by their exact names. There is no default tenant.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    by_name: BTreeMap<String, Tenant>,
}

/// Tenant of a fleet: its name, and how its client is made.
#[derive(Clone)]
pub struct Tenant {
    name: String,
    id: String,
    client: Arc<dyn Fn() -> Result<DefenderClientBuilder, Error> + Send + Sync>,
}

impl Tenant {
    /// Creates a tenant. Its client is built at the first use of the tenant, with the stores of the fleet.
    pub fn new(
        name: impl Into<String>,
        tenant_id: impl Into<String>,
        client: impl Fn() -> Result<DefenderClientBuilder, Error> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), id: tenant_id.into(), client: Arc::new(client) }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the id of the tenant.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn client(&self) -> Result<DefenderClientBuilder, Error> {
        (self.client)().map(|builder| builder.tenant_id(&self.id))
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}

impl Tenants {
    /// Adds a tenant. A tenant of the same name is replaced.
    #[must_use]
    pub fn with(mut self, tenant: Tenant) -> Self {
        self.by_name.insert(tenant.name.clone(), tenant);
        self
    }

    /// Returns the tenant of exactly this name.
    ///
    /// # Errors
    ///
    /// [`UnknownTenant`](ErrorKind::UnknownTenant).
    pub fn get(&self, name: &str) -> Result<&Tenant, Error> {
        self.by_name.get(name).ok_or_else(|| {
            let known: Vec<_> = self.by_name.keys().take(20).map(String::as_str).collect();
            let known = known.join(", ");
            Error::new(ErrorKind::UnknownTenant, format!("there is no tenant `{name}`; the tenants are: {known}"))
        })
    }

    /// Returns all tenants in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Tenant> {
        self.by_name.values()
    }
}
