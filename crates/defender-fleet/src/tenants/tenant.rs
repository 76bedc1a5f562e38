//! Tenants by their exact names.

use std::{collections::BTreeMap, fmt, sync::Arc};

use defender_actions::{DefenderClientBuilder, model::sanitize_line};

use crate::{Error, ErrorKind};

/// Longest name in an error, in characters.
const SHOWN: usize = 200;

/// Tenants by their exact names. There is no default tenant.
#[derive(Clone, Debug, Default)]
pub struct Tenants {
    by_name: BTreeMap<String, Tenant>,
    /// Names that may be used. `None` for all.
    allowed: Option<Vec<String>>,
}

/// Tenant of a fleet: its name, and how its client is made.
#[derive(Clone)]
pub struct Tenant {
    name: String,
    id: String,
    client: Arc<dyn Fn() -> Result<DefenderClientBuilder, Error> + Send + Sync>,
}

impl Tenant {
    /// Creates a tenant. Its client is built at the first use of the tenant, with the stores of the fleet. An error of `client` is
    /// [`Error::configuration`], and the next use of the tenant asks again.
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

    /// Allows these tenants alone. [`get`](Self::get) refuses all others.
    pub(super) fn allow_only(mut self, names: Vec<String>) -> Result<Self, Error> {
        for name in &names {
            self.get(name)?;
        }
        self.allowed = Some(names);
        Ok(self)
    }

    /// Returns the tenant of exactly this name.
    ///
    /// # Errors
    ///
    /// [`UnknownTenant`](ErrorKind::UnknownTenant) if there is no such tenant, or if it is not allowed.
    pub fn get(&self, name: &str) -> Result<&Tenant, Error> {
        let shown = sanitize_line(name, SHOWN);
        let why = match self.by_name.get(name) {
            Some(tenant) if self.is_allowed(name) => return Ok(tenant),
            Some(_) => format!("tenant `{shown}` is not among the allowed tenants"),
            None => format!("there is no tenant `{shown}`"),
        };
        let known: Vec<_> = self.iter().take(20).map(Tenant::name).collect();
        Err(Error::new(ErrorKind::UnknownTenant, format!("{why}; the tenants are: {}", known.join(", "))))
    }

    /// Returns all allowed tenants in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Tenant> {
        self.by_name.values().filter(|tenant| self.is_allowed(&tenant.name))
    }

    fn is_allowed(&self, name: &str) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.iter().any(|allowed| allowed == name))
    }
}
