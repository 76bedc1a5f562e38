//! Tests code that uses the client, without a network: with a mock, with a transport of its own, and with the emulator in process, on a
//! clock on which three days take no time. `cargo run --example swap-transport`.
//!
//! In a project the functions below would be `#[tokio::test]`s. Here `main` calls them.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

mod embedded;

use std::{process::ExitCode, sync::Arc, time::Duration};

use bytes::Bytes;
use defender_actions::{
    DefenderClient, ErrorKind,
    auth::StaticCredential,
    model::{ActionStatus, MachineId},
    transport::{
        Body, Error, Transport,
        testing::{ManualClock, MockTransport},
    },
};
use defender_emulator::Emulator;
use embedded::Failure;
use http::{Request, Response};

/// Code under test: releases a machine and returns the final status.
async fn release(defender: &DefenderClient, machine: MachineId) -> Result<ActionStatus, defender_actions::Error> {
    let submitted = defender.machine(machine).unisolate("False positive").await?;
    let four_days = Duration::from_secs(4 * 24 * 3_600);
    Ok(submitted.wait().at_most(four_days).await?.status)
}

#[tokio::main]
async fn main() -> ExitCode {
    embedded::run(async {
        with_a_mock().await?;
        println!("with a mock: the refusal reaches the caller");
        with_own_transport().await?;
        println!("with a transport of its own: a connection that fails is reported as never sent");
        with_emulator_in_process().await?;
        println!("with the emulator in process: an action of an offline machine times out after three days, at once");
        Ok(())
    })
    .await
}

async fn with_a_mock() -> Result<(), Failure> {
    let mut transport = MockTransport::new();
    transport.expect_send().times(1).returning(|_| {
        let mut response = Response::new(Body::from(r#"{"error": {"code": "Forbidden", "message": "No role"}}"#));
        *response.status_mut() = http::StatusCode::FORBIDDEN;
        Ok(response)
    });
    let defender = DefenderClient::builder().credential(StaticCredential::new("token")).transport(transport).build()?;
    let refused = release(&defender, "m1".parse()?).await;
    expect(refused.is_err_and(|error| error.kind() == ErrorKind::Forbidden), "the release is refused")
}

#[derive(Debug)]
struct Down;

#[async_trait::async_trait]
impl Transport for Down {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Body>, Error> {
        Err(Error::new(defender_actions::transport::ErrorKind::Connect).context("the cable is out"))
    }
}

async fn with_own_transport() -> Result<(), Failure> {
    let (credential, clock) = (StaticCredential::new("token"), ManualClock::new());
    let defender = DefenderClient::builder().credential(credential).transport(Down).clock(clock.clone()).build()?;
    let outcome = clock.run(release(&defender, "m1".parse()?)).await;
    expect(outcome.is_err_and(|error| error.never_sent()), "the request was never sent")
}

async fn with_emulator_in_process() -> Result<(), Failure> {
    let clock = ManualClock::new();
    let emulator = Emulator::builder().clock(Arc::new(clock.clone())).in_process()?;
    let defender = embedded::client(&emulator, emulator.transport()).clock(clock.clone()).build()?;
    let [machine, ..] = emulator.machine_ids()[..] else { return Err("the emulator has no machine".into()) };
    emulator.machine_offline(machine);
    let error = match clock.run(release(&defender, machine.parse()?)).await {
        Ok(status) => return Err(format!("the action ended as {status}").into()),
        Err(error) => error,
    };
    let status = error.action().map(|action| action.status.clone());
    expect(error.kind() == ErrorKind::ActionFailed && status == Some(ActionStatus::TimeOut), "the action timed out")
}

fn expect(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("expected: {what}").into()) }
}
