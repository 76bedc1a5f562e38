//! Removes the app restriction from a machine, from the credential to the final status.
//!
//! Without `DEFENDER_*` variables, the example starts an emulator, restricts a machine there and lifts the restriction again. It needs no
//! account and no network, and touches no real machine.
//!
//! With these four variables it lifts the restriction of a real machine, and does nothing else:
//!
//! - `DEFENDER_TENANT_ID`, `DEFENDER_CLIENT_ID`, `DEFENDER_CLIENT_SECRET`: the application, which needs the permissions
//!   `Machine.RestrictExecution` and `Machine.ReadWrite.All`
//! - `DEFENDER_MACHINE_ID`: the machine's id in Defender
//!
//! `DEFENDER_BASE_URL`, `DEFENDER_AUTHORITY`, `DEFENDER_AUDIENCE` and `DEFENDER_CA_FILE` select another
//! cloud, or the emulator's program.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints its results")]

pub(crate) mod embedded;

use std::{collections::BTreeMap, error::Error, fmt, process::ExitCode, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient,
    auth::ClientSecretCredential,
    model::{MachineAction, MachineId},
    transport::{Body, Error as TransportError, HyperTransport, Roots, Transport, TransportExt},
};
use defender_emulator::Emulator;
use embedded::THIS_IS;
use http::{Method, Request, Response};

const REQUIRED: [&str; 4] =
    ["DEFENDER_TENANT_ID", "DEFENDER_CLIENT_ID", "DEFENDER_CLIENT_SECRET", "DEFENDER_MACHINE_ID"];

const COMMENT: &str = "Unrestrict code execution since machine was cleaned and validated";

/// Receiver of the lines of output.
pub(crate) type Say = Arc<dyn Fn(&str) + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().unwrap_or_default())))
        .filter(|(name, _)| name.starts_with("DEFENDER_"))
        .collect();
    match run(&variables, Arc::new(|line| println!("{line}"))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", embedded::with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Runs the example with these variables.
///
/// # Errors
///
/// A variable is missing, or it is not certain that the restriction was lifted.
pub(crate) async fn run(variables: &BTreeMap<String, String>, say: Say) -> Result<(), Box<dyn Error + Send + Sync>> {
    if variables.is_empty() {
        return on_the_emulator(&say).await;
    }
    let value = |name: &str| variables.get(name).filter(|value| !value.trim().is_empty()).cloned();
    let [Some(tenant), Some(client), Some(secret), Some(machine)] = REQUIRED.map(value) else {
        let missing: Vec<_> = REQUIRED.into_iter().filter(|name| value(name).is_none()).collect();
        return Err(format!(
            "nothing was sent: some DEFENDER_* variables are set, and these are missing: {}. Set them too, or unset all \
             of them to use the emulator",
            missing.join(", ")
        )
        .into());
    };
    let service = value("DEFENDER_BASE_URL").unwrap_or_else(|| "the real service".to_owned());
    say(&format!("This lifts the app restriction of machine {machine} on {service}."));

    let mut transport = HyperTransport::builder().application("remove-app-restriction");
    if let Some(path) = value("DEFENDER_CA_FILE") {
        let pem = std::fs::read(&path).map_err(|error| format!("DEFENDER_CA_FILE `{path}` cannot be read: {error}"))?;
        transport = transport.roots(Roots::pem(pem)?);
    }
    let credential = ClientSecretCredential::new(tenant, client, secret);
    let mut builder = DefenderClient::builder().transport(showing(transport.build()?, &say)).credential(credential);
    if let Some(base_url) = value("DEFENDER_BASE_URL") {
        builder = builder.base_url(base_url);
    }
    if let Some(authority) = value("DEFENDER_AUTHORITY") {
        builder = builder.authority(authority);
    }
    if let Some(audience) = value("DEFENDER_AUDIENCE") {
        builder = builder.audience(audience);
    }
    lift(&builder.build()?, machine.trim().parse()?, &say).await
}

async fn on_the_emulator(say: &Say) -> Result<(), Box<dyn Error + Send + Sync>> {
    say(THIS_IS);
    let emulator = Emulator::start().await?;
    let defender = embedded::client(&emulator, showing(embedded::transport(&emulator)?, say)).build()?;
    let [machine, ..] = emulator.machine_ids()[..] else { return Err("the emulator has no machine".into()) };
    let machine: MachineId = machine.parse()?;

    say("\nFirst the machine is restricted, so that there is something to lift.");
    let restricted = defender.machine(machine.clone()).restrict_code_execution("Restricted by the example").await?;
    report_end(&restricted.wait().await?, say);

    say("\nNow the restriction is lifted.");
    lift(&defender, machine, say).await?;
    say("");
    say(THIS_IS);
    Ok(())
}

/// Lifts the restriction and waits for the end: two calls.
async fn lift(defender: &DefenderClient, machine: MachineId, say: &Say) -> Result<(), Box<dyn Error + Send + Sync>> {
    let submitted = defender.machine(machine).unrestrict_code_execution(COMMENT).await?;
    say(&format!("Action {} is {}. Waiting for its end.", submitted.id(), submitted.action().status));
    report_end(&submitted.wait().await?, say);
    Ok(())
}

fn report_end(action: &MachineAction, say: &Say) {
    say(&format!("{} ended: {}", action.action_type, action.status));
}

/// Returns a transport that prints each exchange.
fn showing(transport: HyperTransport, say: &Say) -> impl Transport + use<> {
    Showing { inner: transport.decompressed(), say: Arc::clone(say) }
}

/// Layer that prints each exchange, without the content of the exchange for the token.
struct Showing<T> {
    inner: T,
    say: Say,
}

#[async_trait]
impl<T: Transport> Transport for Showing<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        let secret = request.uri().path().ends_with("/token");
        let poll = request.method() == Method::GET;
        (self.say)(&format!("--> {} {}", request.method(), request.uri()));
        if !secret && !request.body().is_empty() {
            (self.say)(&format!("    {}", String::from_utf8_lossy(request.body())));
        }
        let (head, body) = self.inner.send(request).await?.into_parts();
        let body = body.collect(4 << 20).await?;
        let shown = match serde_json::from_slice::<serde_json::Value>(&body) {
            _ if secret => "    (a token, not shown)".to_owned(),
            Ok(json) if poll => format!("    {}", json.get("status").unwrap_or_default()),
            Ok(json) => format!("    {json:#}").replace('\n', "\n    "),
            Err(_) => format!("    ({} bytes)", body.len()),
        };
        (self.say)(&format!("<-- {}\n{shown}", head.status));
        Ok(Response::from_parts(head, body.into()))
    }
}

impl<T: fmt::Debug> fmt::Debug for Showing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Showing").field("inner", &self.inner).finish_non_exhaustive()
    }
}
