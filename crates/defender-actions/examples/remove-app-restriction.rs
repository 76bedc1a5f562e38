//! Removes the app restriction from a machine, from the credential to the final status.
//!
//! Without `DEFENDER_*` variables, the example starts an emulator, restricts a machine there and lifts the restriction again. It needs no
//! account and no network, and touches no real machine. Variables of the Azure SDKs alone, which many machines have, change nothing.
//!
//! With `DEFENDER_MACHINE_ID`, the machine's id in Defender, it lifts the restriction of this machine, and does nothing else. The
//! credential and the service are those of `DefenderClient::from_env()`: as a rule `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and
//! `AZURE_CLIENT_SECRET` of an application with the permissions `Machine.RestrictExecution` and `Machine.ReadWrite.All`.
//! `DEFENDER_CLOUD`, `DEFENDER_BASE_URL`, `AZURE_AUTHORITY_HOST`, `DEFENDER_AUDIENCE` and `DEFENDER_CA_FILE` select another cloud, or
//! the emulator's program.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints its results")]

pub(crate) mod embedded;

use std::{collections::BTreeMap, error::Error, fmt, process::ExitCode, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient, DefenderClientBuilder,
    model::{MachineAction, MachineId},
    transport::{Body, Error as TransportError, Transport, TransportExt},
};
use defender_emulator::Emulator;
use embedded::THIS_IS;
use http::{Method, Request, Response};

const MACHINE: &str = "DEFENDER_MACHINE_ID";

const COMMENT: &str = "Unrestrict code execution since machine was cleaned and validated";

/// Receiver of the lines of output.
pub(crate) type Say = Arc<dyn Fn(&str) + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().unwrap_or_default())))
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
    let Some(machine) = machine(variables)? else { return on_the_emulator(&say).await };
    let builder = DefenderClientBuilder::from_variables(|name| variables.get(name).map(Into::into))?;
    let service = variables.get("DEFENDER_BASE_URL").filter(|url| !url.trim().is_empty());
    let service = service.map_or("the real service", |url| url.trim());
    say(&format!("This lifts the app restriction of machine {machine} on {service}."));
    let defender = builder.application("remove-app-restriction").wrap_transport(showing(&say)).build()?;
    lift(&defender, machine.parse()?, &say).await
}

/// Returns the machine that the variables name, or `None` if no `DEFENDER_*` variable is set. Only a machine leads to the real service.
///
/// # Errors
///
/// Another `DEFENDER_*` variable is set, and no machine is named.
pub(crate) fn machine(variables: &BTreeMap<String, String>) -> Result<Option<&str>, String> {
    match variables.get(MACHINE).map(|id| id.trim()).filter(|id| !id.is_empty()) {
        Some(machine) => Ok(Some(machine)),
        None if variables.keys().any(|name| name.starts_with("DEFENDER_")) => Err(format!(
            "nothing was sent: some DEFENDER_* variables are set, and {MACHINE} is missing. Set it too, or unset all of \
             them to use the emulator"
        )),
        None => Ok(None),
    }
}

async fn on_the_emulator(say: &Say) -> Result<(), Box<dyn Error + Send + Sync>> {
    say(THIS_IS);
    let emulator = Emulator::start().await?;
    let transport = embedded::transport(&emulator)?;
    let defender = embedded::client(&emulator, transport).wrap_transport(showing(say)).build()?;
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

/// Returns the layer that prints each exchange.
fn showing(say: &Say) -> impl Fn(Arc<dyn Transport>) -> Arc<dyn Transport> + Send + use<> {
    let say = Arc::clone(say);
    move |transport| Showing { inner: transport.decompressed(), say: Arc::clone(&say) }.shared()
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
