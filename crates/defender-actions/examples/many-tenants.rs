//! Acts in the tenants of many customers from one process: `cargo run --example many-tenants`.
//!
//! Each tenant has its own client, with its own tokens and its own quota. All clients share one transport. A tenant with a wrong
//! configuration does not stop the others.
//!
//! The example starts an emulator for each tenant. With the real service the clients differ only in the tenant of their credential.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    model::Isolate,
    transport::{Body, Error, ErrorKind, Transport},
};
use defender_emulator::Emulator;
use futures_util::future::join_all;
use http::{Request, Response, Uri};

use self::embedded::Failure;

mod embedded;

/// Shared transport, which sends each request to the emulator of its host. A `HyperTransport` is shared in the same way.
#[derive(Debug)]
struct SharedTransport(BTreeMap<String, Emulator>);

#[async_trait]
impl Transport for SharedTransport {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let unknown_host = || Error::new(ErrorKind::Request);
        let emulator = request.uri().host().and_then(|host| self.0.get(host)).ok_or_else(unknown_host)?;
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let there: Uri = format!("{}{path}", emulator.base_url()).parse().map_err(|_| unknown_host())?;
        *request.uri_mut() = there;
        emulator.transport().send(request).await
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    embedded::run(example()).await
}

async fn example() -> Result<(), Failure> {
    let mut tenants = BTreeMap::new();
    for name in ["contoso.test", "fabrikam.test"] {
        tenants.insert(name.to_owned(), embedded::in_a_moment().in_process()?);
    }
    // This tenant has not consented to the permission.
    tenants.insert("tailspin.test".to_owned(), embedded::in_a_moment().without_role("Machine.Isolate").in_process()?);
    let transport = Arc::new(SharedTransport(tenants));

    let acting = transport.0.iter().map(|(name, emulator)| {
        let transport = Arc::clone(&transport);
        async move { (name, act(name, emulator, transport).await) }
    });
    let mut succeeded = 0;
    for (name, outcome) in join_all(acting).await {
        match outcome {
            Ok(status) => {
                succeeded += 1;
                println!("{name}: {status}");
            }
            Err(error) => println!("{name}: {error}"),
        }
    }
    println!("done: isolated in {succeeded} of {} tenants", transport.0.len());
    Ok(())
}

async fn act(name: &str, emulator: &Emulator, transport: Arc<SharedTransport>) -> Result<String, Failure> {
    let address = format!("https://{name}");
    let defender = embedded::client(emulator, transport).base_url(&address).authority(&address).build()?;
    // The preflight names a missing permission before an action is sent.
    let report = defender.preflight().action::<Isolate>().tenant(emulator.tenant_id()).await?;
    if !report.is_ready() {
        return Err(report.to_string().into());
    }
    let machine = embedded::machine(emulator)?;
    let done = defender.machine(machine).isolate("Ransomware at several customers").await?.wait().await?;
    Ok(done.status.to_string())
}
