//! The facade with a credential of the Azure SDK.

use std::{env, error::Error};

use azure_identity::ClientSecretCredential;
use defender_actions::DefenderClient;
use defender_azure_identity::AzureCredential;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (tenant, client) = (env::var("AZURE_TENANT_ID")?, env::var("AZURE_CLIENT_ID")?);
    let secret = env::var("AZURE_CLIENT_SECRET")?;
    let credential = AzureCredential::from_fn(move || {
        ClientSecretCredential::new(&tenant, client.clone(), secret.clone().into(), None)
    });
    let defender = DefenderClient::builder().base_url(env::var("DEFENDER_BASE_URL")?).credential(credential).build()?;

    let machine = defender.machine(env::var("DEFENDER_MACHINE_ID")?.parse()?);
    let submitted = machine.isolate("Suspicious sign-ins").await?;
    println!("isolation {} is {}", submitted.id(), submitted.action().status);
    Ok(())
}
