//! The facade over reqwest: no hyper and no TLS of the SDK.

mod reqwest_transport;

use std::{env, error::Error};

use defender_actions::{DefenderClient, auth::ClientSecretCredential};
use reqwest_transport::Reqwest;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let defender = DefenderClient::builder()
        .base_url(env::var("DEFENDER_BASE_URL")?)
        .credential(ClientSecretCredential::from_env()?)
        .transport(Reqwest::new(reqwest::Client::builder())?)
        .build()?;

    let machine = defender.machine(env::var("DEFENDER_MACHINE_ID")?.parse()?);
    let submitted = machine.isolate("Suspicious sign-ins").await?;
    println!("isolation {} is {}", submitted.id(), submitted.action().status);
    Ok(())
}
