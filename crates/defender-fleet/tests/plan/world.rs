//! A fleet over an emulator in process, whose calls are counted, in virtual time.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient,
    auth::ClientSecretCredential,
    model::{MachineId, UnrestrictCodeExecution},
    transport::{Body, Clock, Error, Transport},
};
use defender_emulator::{Emulator, EmulatorBuilder, InProcess, State};
use defender_fleet::{Fleet, Plan, PlanBuilder, Stores, Targets, Tenant, Tenants};
use defender_transport::testing::AutoClock;
use http::{Request, Response};
use serde_json::{Value, json};

/// Transport that notes the calls of the API.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    inner: InProcess,
    calls: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Transport for Counted {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let path = request.uri().path();
        if path.starts_with("/api") {
            self.calls.lock().unwrap().push(format!("{} {path}", request.method()));
        }
        self.inner.send(request).await
    }
}

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) clock: AutoClock,
    transport: Counted,
}

impl World {
    pub(crate) fn with(set: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Self {
        let clock = AutoClock::new();
        let emulator = set(Emulator::builder().clock(Arc::new(clock.clone()))).in_process().unwrap();
        let transport = Counted { inner: emulator.transport(), calls: Arc::default() };
        Self { emulator, clock, transport }
    }

    pub(crate) fn machines(count: u32) -> Self {
        Self::with(|emulator| emulator.machines(count))
    }

    /// Machines and actions as JSON.
    pub(crate) fn of(machines: &Value, actions: &Value) -> Self {
        let state = State::from_json(&json!({ "machines": machines, "actions": actions }).to_string()).unwrap();
        Self::with(|emulator| emulator.state(state))
    }

    pub(crate) fn fleet(&self) -> Fleet {
        self.fleet_of(self.emulator.tenant_id())
    }

    /// Fleet whose tenant `contoso` has this id.
    pub(crate) fn fleet_of(&self, tenant_id: &str) -> Fleet {
        self.fleet_with(tenant_id, self.emulator.base_url())
    }

    /// Fleet whose tenant `contoso` has this base URL.
    pub(crate) fn fleet_at(&self, base: &str) -> Fleet {
        self.fleet_with(self.emulator.tenant_id(), base)
    }

    fn fleet_with(&self, tenant_id: &str, base: &str) -> Fleet {
        let emulator = &self.emulator;
        let secret = ClientSecretCredential::new(tenant_id, emulator.client_id(), emulator.client_secret());
        let (transport, clock) = (self.transport.clone(), self.clock.clone());
        let (base, authority) = (base.to_owned(), emulator.authority().to_owned());
        let tenant = Tenant::new("contoso", tenant_id, move || {
            Ok(DefenderClient::builder()
                .credential(secret.clone())
                .transport(transport.clone())
                .clock(clock.clone())
                .base_url(&base)
                .authority(&authority))
        });
        Fleet::new(Tenants::default().with(tenant), Stores::memory(self.clock.clone()))
    }

    pub(crate) fn builder(&self) -> PlanBuilder {
        self.fleet().plan("contoso").unwrap()
    }

    /// Plan that removes the restriction of these targets.
    pub(crate) fn unrestrict(&self, targets: Targets) -> PlanBuilder {
        self.builder().targets(targets).action(unrestrict())
    }

    /// Plan of the first machines.
    pub(crate) async fn plan(&self) -> Plan {
        self.unrestrict(Targets::ids(self.emulator.machine_ids())).resolve().await.unwrap()
    }

    pub(crate) fn ids(&self) -> Vec<MachineId> {
        self.emulator.machine_ids().iter().map(|id| id.parse().unwrap()).collect()
    }

    /// Calls of the API since the last question.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.transport.calls.lock().unwrap())
    }

    pub(crate) fn client(&self) -> DefenderClient {
        self.fleet().client("contoso").unwrap()
    }

    /// Time of the clock before this many minutes.
    pub(crate) fn ago(&self, minutes: i64) -> String {
        self.clock.now().checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap().to_string()
    }
}

pub(crate) fn unrestrict() -> UnrestrictCodeExecution {
    UnrestrictCodeExecution::new("INC-4711: cleaned and validated").unwrap()
}
