//! Session of a command: the tenants, the stores, and the clock.

use defender_actions::{DefenderClient, transport::Clock};
use defender_fleet::{Fleet, Stores, Tenant};
use defender_store::RunId;
use jiff::Timestamp;

use crate::{
    cli::global::Global,
    demo::{self, Demo},
    failure::Failure,
    output::talk,
    profile,
};

/// Fleet of a command, and the tenant that it was given.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) fleet: Fleet,
    tenant: Option<String>,
    demo: Option<Demo>,
    /// Options of the command that a later command on the same run needs too.
    options: String,
}

impl Session {
    /// Opens profiles and stores, or starts the demonstration.
    pub(crate) async fn open(global: &Global) -> Result<Self, Failure> {
        if global.demo {
            let demo = Demo::start()?;
            talk::say(demo::NOTICE);
            let fleet = Fleet::new(demo.tenants(), Stores::memory(demo.clock()));
            // The demonstration has one tenant, which touches nothing, so that it need not be named.
            let tenant = global.tenant.clone().or_else(|| Some(demo::TENANT.to_owned()));
            return Ok(Self { fleet, tenant, demo: Some(demo), options: String::new() });
        }
        let known = profile::tenants(global.tenants.as_deref())?;
        let stores = profile::stores(global.store.as_deref()).await?;
        let mut options = String::new();
        if let Some(file) = &global.tenants {
            options = format!("--tenants {} ", file.display());
        }
        if let Some(store) = &global.store {
            options = format!("{options}--store {store} ");
        }
        let tenant = profile::chosen_tenant(global.tenant.clone())?.or(known.of_environment);
        Ok(Self { fleet: Fleet::new(known.tenants, stores), tenant, demo: None, options })
    }

    /// Returns the tenant of the command.
    ///
    /// # Errors
    ///
    /// No name was given, or no tenant has exactly this name.
    pub(crate) fn tenant(&self) -> Result<&Tenant, Failure> {
        let tenants = self.fleet.tenants();
        if tenants.iter().next().is_none() {
            return Err(Failure::usage(
                "there is no tenant: write a profile (`defender tenants --help` shows one), or set AZURE_TENANT_ID, \
                 AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; `defender --demo` needs none",
            ));
        }
        let Some(name) = &self.tenant else {
            let known = tenants.iter().map(Tenant::name).collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(format!(
                "no tenant was given; add --tenant NAME or set DEFENDER_TENANT, with one of: {known}"
            )));
        };
        Ok(tenants.get(name)?)
    }

    /// Returns the client of the tenant of the command.
    pub(crate) fn client(&self) -> Result<DefenderClient, Failure> {
        Ok(self.fleet.client(self.tenant()?.name())?)
    }

    /// Returns the sentence with the command that goes on with a run.
    pub(crate) fn to_go_on(&self, run: &RunId) -> String {
        match self.demo {
            Some(_) => {
                "The demonstration keeps no runs: without --demo, `defender resume RUN` would go on with it.".to_owned()
            }
            None => format!("To go on: defender {}resume {run}", self.options),
        }
    }

    /// Returns the time of the service.
    pub(crate) fn now(&self) -> Timestamp {
        self.demo.as_ref().map_or_else(|| profile::clock().now(), |demo| demo.clock().now())
    }
}
