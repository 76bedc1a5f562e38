//! The fleet: tenants and stores.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use defender_actions::{DefenderClient, ExternalIds};

use crate::{Error, ErrorKind, Stores, Tenants, departure::Departures, guarded_journal::GuardedJournal};

/// Tenants, and the stores of their runs. Clones share everything.
#[derive(Clone, Debug)]
pub struct Fleet {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tenants: Tenants,
    stores: Stores,
    departures: Arc<Departures>,
    /// Clients by the names of their tenants.
    clients: Mutex<HashMap<String, DefenderClient>>,
}

impl Fleet {
    /// Creates a fleet. Nothing is sent.
    #[must_use]
    pub fn new(tenants: Tenants, stores: Stores) -> Self {
        Self { inner: Arc::new(Inner { tenants, stores, departures: Arc::default(), clients: Mutex::default() }) }
    }

    /// Returns the tenants.
    #[must_use]
    pub fn tenants(&self) -> &Tenants {
        &self.inner.tenants
    }

    /// Returns the stores.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.inner.stores
    }

    pub(crate) fn departures(&self) -> &Arc<Departures> {
        &self.inner.departures
    }

    /// Returns the client of a tenant, which writes to the journal of the fleet and shares its quota.
    ///
    /// # Errors
    ///
    /// [`UnknownTenant`](ErrorKind::UnknownTenant), and [`Configuration`](ErrorKind::Configuration) if the client cannot be built.
    pub fn client(&self, tenant: &str) -> Result<DefenderClient, Error> {
        let mut clients = self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(tenant) {
            return Ok(client.clone());
        }
        let Stores { journal, quota, runs } = &self.inner.stores;
        let departures = Arc::clone(&self.inner.departures);
        let journal = GuardedJournal { journal: Arc::clone(journal), runs: Arc::clone(runs), departures };
        let builder = self.inner.tenants.get(tenant)?.client()?;
        let builder = builder.journal(Arc::new(journal)).quota_store(Arc::clone(quota));
        let client = builder.external_ids(ExternalIds::Generated).build().map_err(|error| {
            Error::new(ErrorKind::Configuration, format!("tenant `{tenant}`: {error}")).caused_by(error)
        })?;
        clients.insert(tenant.to_owned(), client.clone());
        Ok(client)
    }
}
