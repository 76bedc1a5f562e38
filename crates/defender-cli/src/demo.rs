//! The emulator of `--demo`: a service inside this process, with machines that do not exist.

use std::{sync::Arc, time::Duration};

use defender_actions::{DefenderClient, auth::ClientSecretCredential};
use defender_emulator::{Emulator, FastClock, State};
use defender_fleet::{Tenant, Tenants};

use crate::failure::{Exit, Failure};

/// Name of the one tenant.
pub(crate) const TENANT: &str = "demo";
/// Machines of the tenant.
const MACHINES: &str = include_str!("../demo/machines.json");
/// Names of ten of the machines, for the tour.
pub(crate) const HOSTS: &str = include_str!("../demo/hosts.csv");
/// Speed of the clock of service and client. A machine that answers after 3 s does so after 0.15 s.
const SPEED: u32 = 20;

pub(crate) const NOTICE: &str =
    "This is a demonstration on an emulator inside this process: no real machine is touched.";

/// Service of the demonstration. It ends with this value.
#[derive(Debug)]
pub(crate) struct Demo {
    emulator: Arc<Emulator>,
    clock: FastClock,
}

impl Demo {
    /// Starts the emulator, without a socket.
    pub(crate) fn start() -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Failed, format!("the demonstration cannot start: {error}"));
        let clock = FastClock::new(SPEED);
        let state = State::from_json(MACHINES).map_err(failed)?;
        let emulator = Emulator::builder().state(state).clock(Arc::new(clock.clone()));
        let emulator = emulator.pending_for(Duration::from_secs(2)).running_for(Duration::from_secs(6));
        Ok(Self { emulator: Arc::new(emulator.in_process().map_err(failed)?), clock })
    }

    /// Returns the clock of the emulator and of its clients.
    pub(crate) fn clock(&self) -> FastClock {
        self.clock.clone()
    }

    /// Returns the tenant of the emulator.
    pub(crate) fn tenants(&self) -> Tenants {
        let (emulator, clock) = (Arc::clone(&self.emulator), self.clock.clone());
        Tenants::default().with(Tenant::new(TENANT, self.emulator.tenant_id(), move || {
            let (tenant, client, secret) = (emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
            Ok(DefenderClient::builder()
                .credential(ClientSecretCredential::new(tenant, client, secret))
                .transport(emulator.transport())
                .base_url(emulator.base_url())
                .authority(emulator.authority())
                .audience(emulator.audience())
                .clock(clock.clone()))
        }))
    }
}
