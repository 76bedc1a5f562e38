//! The facade in a stack of tower: at most four requests at once, sign-ins included.

use std::{env, error::Error};

use bytes::Bytes;
use defender_actions::{DefenderClient, auth::ClientSecretCredential};
use defender_transport::{HyperTransport, TowerService, TowerTransport};
use tower::{ServiceBuilder, limit::ConcurrencyLimitLayer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = TowerService::new(HyperTransport::new()?);
    let service = ServiceBuilder::new().layer(ConcurrencyLimitLayer::new(4)).service(service);
    let defender = DefenderClient::builder()
        .base_url(env::var("DEFENDER_BASE_URL")?)
        .credential(ClientSecretCredential::from_env()?)
        .transport(TowerTransport::<_, Bytes>::new(service))
        .build()?;

    let machine = defender.machine(env::var("DEFENDER_MACHINE_ID")?.parse()?);
    let submitted = machine.isolate("Suspicious sign-ins").await?;
    println!("isolation {} is {}", submitted.id(), submitted.action().status);
    Ok(())
}
