//! Many tenants in one process: their clients share one transport and nothing else.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient, ErrorKind, Origin,
    auth::ClientSecretCredential,
    transport::{Body, Clock, Error as TransportError, Transport, testing::ManualClock},
};
use defender_emulator::Emulator;
use futures_util::future::{join, join_all};
use http::{Request, Response, Uri};

use crate::world::MINUTE;

/// One transport to the services of many tenants, each at its own address.
#[derive(Debug)]
struct OneWire(HashMap<String, (Emulator, String)>);

#[async_trait]
impl Transport for OneWire {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        let (emulator, base) = &self.0[request.uri().host().unwrap()];
        let path = request.uri().path_and_query().unwrap();
        *request.uri_mut() = format!("{base}{path}").parse::<Uri>().unwrap();
        emulator.transport().send(request).await
    }
}

const TENANTS: [&str; 3] = ["one.test", "two.test", "three.test"];

struct Tenants {
    clock: ManualClock,
    transport: Arc<OneWire>,
}

impl Tenants {
    fn new() -> Self {
        let clock = ManualClock::new();
        let service = |(seed, name): (u64, &str)| {
            // Without a seed, all emulators have the same ids and secret.
            let emulator = Emulator::builder().ids(seed).clock(Arc::new(clock.clone())).machines(150);
            let emulator = emulator.in_process().unwrap();
            let base = emulator.base_url().to_owned();
            (name.to_owned(), (emulator, base))
        };
        let transport = Arc::new(OneWire((0..).zip(TENANTS).map(service).collect()));
        Self { clock, transport }
    }

    fn emulator(&self, tenant: &str) -> &Emulator {
        &self.transport.0[tenant].0
    }

    fn client(&self, tenant: &str, secret_of: &str) -> DefenderClient {
        let emulator = self.emulator(secret_of);
        let id = self.emulator(tenant).tenant_id();
        DefenderClient::builder()
            .credential(ClientSecretCredential::new(id, emulator.client_id(), emulator.client_secret()))
            .transport(Arc::clone(&self.transport))
            .clock(self.clock.clone())
            .base_url(format!("https://{tenant}"))
            .authority(format!("https://{tenant}"))
            .build()
            .unwrap()
    }
}

#[tokio::test]
async fn each_client_uses_own_token() {
    let tenants = Tenants::new();
    let acted = TENANTS.map(|tenant| {
        let client = tenants.client(tenant, tenant);
        let machine = tenants.emulator(tenant).machine_ids()[0].parse().unwrap();
        async move { client.machine(machine).isolate(tenant).await?.wait().await }
    });
    for done in tenants.clock.run(join_all(acted)).await {
        done.unwrap();
    }
    for tenant in TENANTS {
        let ledger = tenants.emulator(tenant).ledger();
        assert_eq!(ledger.len(), 1);
        assert!(ledger[0].body.contains(tenant), "{}", ledger[0].body);
    }
}

#[tokio::test]
async fn secret_opens_one_tenant_only() {
    let tenants = Tenants::new();
    let machine = |tenant: &str| tenants.emulator(tenant).machine_ids()[0].parse().unwrap();
    let wrong = tenants.client("one.test", "two.test").machine(machine("one.test")).isolate("c").send();
    let right = tenants.client("two.test", "two.test").machine(machine("two.test")).isolate("c").send();
    let (wrong, right) = Box::pin(tenants.clock.run(join(wrong, right))).await;
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Credential);
    assert_eq!(right.unwrap().origin(), Origin::Created);
}

#[tokio::test]
async fn quotas_of_tenants_are_separate() {
    let tenants = Tenants::new();
    let client = tenants.client("one.test", "one.test");
    let machines: Vec<_> = tenants.emulator("one.test").machine_ids().iter().map(|id| id.parse().unwrap()).collect();
    let many = join_all(machines.into_iter().map(|machine| client.machine(machine).isolate("c").send()));
    let other = tenants.client("two.test", "two.test");
    let machine = tenants.emulator("two.test").machine_ids()[0].parse().unwrap();
    let clock = tenants.clock.clone();
    let one = async {
        Clock::sleep(&clock, Duration::from_secs(1)).await;
        other.machine(machine).isolate("c").await.unwrap();
        clock.elapsed()
    };
    let (many, one) = tenants.clock.run(join(many, one)).await;
    assert!(many.iter().all(Result::is_ok));
    assert!(one < Duration::from_secs(5) && tenants.clock.elapsed() >= MINUTE, "{one:?}");
    let of_isolate = tenants.emulator("one.test").ledger().iter().filter(|entry| entry.status == 201).count();
    assert_eq!(of_isolate, 150);
}
