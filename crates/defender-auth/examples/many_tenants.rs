//! One application in many customers' tenants: a credential for each, over one transport.
//!
//! ```console
//! $ AZURE_TENANT_ID=home.example AZURE_CLIENT_ID=.. AZURE_CLIENT_SECRET=.. \
//!     cargo run --example many_tenants -- fabrikam.com contoso.com
//! ```
//!
//! Each customer's administrator has to consent to the application first. Nothing secret is printed: only what the tokens say
//! of themselves.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "an example shows what it did")]

use std::{error::Error, process::ExitCode, sync::Arc};

use defender_auth::{ClientSecretCredential, Cloud, CredentialContext, IntoCredential, TokenRequest};
use defender_transport::{HyperTransport, SystemClock};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let tenants: Vec<_> = std::env::args().skip(1).collect();
    match example(tenants).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn example(tenants: Vec<String>) -> Result<(), Box<dyn Error>> {
    let application = ClientSecretCredential::from_env()?;
    let context = CredentialContext::new(Arc::new(HyperTransport::new()?), Arc::new(SystemClock::new()), Cloud::Public);
    for tenant in tenants {
        // Keep it for as long as the customer is one: it keeps its token, and asks for the next when it is time.
        let credential = application.clone().tenant(&tenant).into_credential(&context)?;
        match credential.token(&TokenRequest::new()).await {
            Ok(token) => {
                let may = token.claims().map(|claims| claims.roles.join(", ")).unwrap_or_default();
                println!("{tenant}: until {}, may {may}", token.expires_on());
            }
            Err(error) => println!("{tenant}: {error}"),
        }
    }
    Ok(())
}
