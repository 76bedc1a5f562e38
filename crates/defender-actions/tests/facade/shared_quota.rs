//! Several clients of one application that share a quota by a store.

use std::{sync::Arc, time::Duration};

use defender_actions::{
    DefenderClient, ErrorKind,
    auth::{ClientSecretCredential, StaticCredential},
    model::ScanType,
    transport::{
        Clock, EndedPermit, MemoryQuotaStore, PermitRequest, Permits, QuotaStore, QuotaStoreError, extensions::QuotaKey,
    },
};
use futures_util::future::join_all;

use crate::world::{MINUTE, World};

/// Submits a scan of each machine, by turns through the clients. Returns the errors and the time of the last arrival.
async fn scan(world: &World, clients: &[DefenderClient]) -> (Vec<defender_actions::Error>, Duration) {
    let submissions = world.machines().into_iter().zip(clients.iter().cycle()).map(|(machine, client)| {
        client.machine(machine).run_antivirus_scan("Monthly scan", ScanType::Quick).timeout(MINUTE * 30).send()
    });
    let began = world.clock.elapsed();
    let outcomes = world.run(join_all(submissions)).await;
    (outcomes.into_iter().filter_map(Result::err).collect(), world.clock.elapsed().saturating_sub(began))
}

fn refused(world: &World) -> usize {
    world.ledger().entries().iter().filter(|entry| entry.status == 429).count()
}

#[tokio::test]
async fn clients_with_a_store_keep_one_quota() {
    let world = World::with(|emulator| emulator.machines(500));
    let store: Arc<dyn QuotaStore> = Arc::new(MemoryQuotaStore::new(world.clock.clone()));
    let client = || world.builder_over(world.emulator.transport()).quota_store(Arc::clone(&store)).build().unwrap();
    let (errors, took) = scan(&world, &[client(), client(), client()]).await;
    assert_eq!((errors.len(), refused(&world), world.ledger().len()), (0, 0, 500), "{errors:?}");
    assert!((MINUTE * 4..MINUTE * 5).contains(&took), "{took:?}");
}

/// Without a store each client takes the whole quota, and the service refuses.
#[tokio::test]
async fn clients_without_a_store_are_refused() {
    let world = World::with(|emulator| emulator.machines(500));
    let client = || world.builder_over(world.emulator.transport()).build().unwrap();
    scan(&world, &[client(), client(), client()]).await;
    assert!(refused(&world) > 0);
}

/// Store whose database is away.
#[derive(Debug)]
struct Away;

#[async_trait::async_trait]
impl QuotaStore for Away {
    async fn reserve(&self, _: &PermitRequest<'_>) -> Result<Permits, QuotaStoreError> {
        Err(QuotaStoreError::new("the database quota.example does not respond"))
    }

    async fn release(&self, _: &QuotaKey, _: &[EndedPermit]) -> Result<(), QuotaStoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn store_that_is_away_sends_nothing() {
    let world = World::new();
    let client = world.builder_over(world.emulator.transport()).quota_store(Arc::new(Away)).build().unwrap();
    let error = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent(), error.is_retryable()), (ErrorKind::QuotaStore, true, true));
    assert_eq!(world.ledger().len(), 0);
    let text = error.to_string();
    assert!(text.contains("no permit of the shared quota") && text.contains("quota.example"), "{text}");
    assert!(text.contains("check the store, then call again"), "{text}");
    assert_eq!(text.matches("quota.example").count(), 1, "{text}");
}

#[test]
fn store_needs_application_and_tenant() {
    const ID: &str = "0e8a5c1f-0000-4000-8000-000000000000";
    let build =
        |tenant: &str,
         client: &str,
         set: fn(defender_actions::DefenderClientBuilder) -> defender_actions::DefenderClientBuilder| {
            let credential = ClientSecretCredential::new(tenant, client, "secret");
            set(DefenderClient::builder().credential(credential).quota_store(Arc::new(Away)))
                .build()
                .map(drop)
                .map_err(|error| error.to_string())
        };
    assert_eq!(build(ID, ID, |builder| builder), Ok(()));
    assert_eq!(build("contoso.example", ID, |builder| builder.tenant_id(ID)), Ok(()));
    let error = build("contoso.example", ID, |builder| builder).unwrap_err();
    assert!(
        error.contains("the id of the tenant, and `contoso.example` is not a GUID; set it with `.tenant_id(..)`"),
        "{error}"
    );
    let error = build(ID, "app", |builder| builder).unwrap_err();
    assert!(error.contains("the id of the application, and `app` is not a GUID"), "{error}");
    let finished = DefenderClient::builder().credential(StaticCredential::new("t")).quota_store(Arc::new(Away));
    let error = finished.build().unwrap_err().to_string();
    assert!(error.contains("the credential does not name it; set it with `.application_id(..)`"), "{error}");
    let finished = DefenderClient::builder().credential(StaticCredential::new("t")).quota_store(Arc::new(Away));
    assert!(finished.application_id(ID).tenant_id(ID).build().is_ok());
    let other = "1e8a5c1f-0000-4000-8000-000000000000";
    let error = DefenderClient::builder()
        .credential(ClientSecretCredential::new(ID, ID, "secret"))
        .quota_store(Arc::new(Away))
        .tenant_id(other)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains(&format!("`.tenant_id(..)` is {other}")), "{error}");
}
