//! Acts in the tenants of many customers from one process: `cargo run --example many-tenants`.
//!
//! Each customer's tenant has a client of its own, with its own tokens and its own quota; all share one wire. One that is set up
//! wrongly holds up no other.
//!
//! It runs on emulators inside itself, one for each tenant; see `embedded` for what it takes to run it on the real service, where
//! the tenants differ in nothing but their id.
#![allow(clippy::print_stdout, reason = "a program talks to whoever runs it")]

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

/// One wire to all of them: in the place of `HyperTransport`, which is shared in the same way.
#[derive(Debug)]
struct OneWire(BTreeMap<String, Emulator>);

#[async_trait]
impl Transport for OneWire {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let nowhere = || Error::new(ErrorKind::Request);
        let emulator = request.uri().host().and_then(|host| self.0.get(host)).ok_or_else(nowhere)?;
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let there: Uri = format!("{}{path}", emulator.base_url()).parse().map_err(|_| nowhere())?;
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
    // Here nobody has consented to the permission.
    tenants.insert("tailspin.test".to_owned(), embedded::in_a_moment().without_role("Machine.Isolate").in_process()?);
    let wire = Arc::new(OneWire(tenants));

    let acting = wire.0.iter().map(|(name, emulator)| {
        let wire = Arc::clone(&wire);
        async move { (name, act(name, emulator, wire).await) }
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
    println!("done: isolated in {succeeded} of {} tenants", wire.0.len());
    Ok(())
}

async fn act(name: &str, emulator: &Emulator, wire: Arc<OneWire>) -> Result<String, Failure> {
    let address = format!("https://{name}");
    let defender = embedded::client(emulator, wire).base_url(&address).authority(&address).build()?;
    // What is missing is named before anything is done.
    let ready = defender.preflight().action::<Isolate>().tenant(emulator.tenant_id()).await?;
    if !ready.is_ready() {
        return Err(ready.to_string().into());
    }
    let machine = embedded::machine(emulator)?;
    let done = defender.machine(machine).isolate("Ransomware at several customers").await?.wait().await?;
    Ok(done.status.to_string())
}
