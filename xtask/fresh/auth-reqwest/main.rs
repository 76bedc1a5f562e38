//! Tokens alone: `defender-auth` signs in over reqwest, and reqwest calls the API.

mod reqwest_transport;

use std::{env, error::Error, sync::Arc};

use defender_auth::{ClientSecretCredential, Cloud, CredentialContext, IntoCredential, TokenCredential, TokenRequest};
use defender_transport::SystemClock;
use reqwest_transport::Reqwest;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let transport = Arc::new(Reqwest::new(reqwest::Client::builder())?);
    let context = CredentialContext::new(transport, Arc::new(SystemClock::new()), Cloud::Public);
    let credential = ClientSecretCredential::from_env()?.into_credential(&context)?;

    let token = credential.token(&TokenRequest::new()).await?;
    let url = format!("{}/api/machines", env::var("DEFENDER_BASE_URL")?);
    let response = reqwest::Client::new().get(url).bearer_auth(token.secret()).send().await?.error_for_status()?;
    println!("machines: {}, {} bytes", response.status(), response.bytes().await?.len());
    Ok(())
}
