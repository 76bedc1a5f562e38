//! Tests code that uses the client, with another transport in the place of the network: by a mock, by a transport of one's own, and
//! by the emulator in process, with a clock on which three days take no time.
//!
//! The functions below would be `#[tokio::test]`s; here `main` calls them.
#![allow(clippy::print_stdout, reason = "a program talks to whoever runs it")]

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

/// What is tested: releases a machine, and says how that ended.
async fn release(defender: &DefenderClient, machine: MachineId) -> Result<ActionStatus, defender_actions::Error> {
    let submitted = defender.machine(machine).unisolate("False positive").await?;
    let three_days = Duration::from_secs(4 * 24 * 3_600);
    Ok(submitted.wait().at_most(three_days).await?.status)
}

#[tokio::main]
async fn main() -> ExitCode {
    embedded::run(async {
        by_a_mock().await?;
        println!("by a mock: the refusal reaches the caller");
        by_a_transport_of_ones_own().await?;
        println!("by a transport of one's own: a wire that is down is told as never sent");
        by_the_emulator_in_process().await?;
        println!("by the emulator in process: a machine that stays offline is told after three days, in no time");
        Ok(())
    })
    .await
}

async fn by_a_mock() -> Result<(), Failure> {
    let mut wire = MockTransport::new();
    wire.expect_send().times(1).returning(|_| {
        let mut answer = Response::new(Body::from(r#"{"error": {"code": "Forbidden", "message": "No role"}}"#));
        *answer.status_mut() = http::StatusCode::FORBIDDEN;
        Ok(answer)
    });
    let defender = DefenderClient::builder().credential(StaticCredential::new("token")).transport(wire).build()?;
    let refused = release(&defender, "m1".parse()?).await;
    expect(refused.is_err_and(|error| error.kind() == ErrorKind::Forbidden), "it is refused")
}

#[derive(Debug)]
struct Down;

#[async_trait::async_trait]
impl Transport for Down {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Body>, Error> {
        Err(Error::new(defender_actions::transport::ErrorKind::Connect).context("the cable is out"))
    }
}

async fn by_a_transport_of_ones_own() -> Result<(), Failure> {
    let (credential, clock) = (StaticCredential::new("token"), ManualClock::new());
    let defender = DefenderClient::builder().credential(credential).transport(Down).clock(clock.clone()).build()?;
    let outcome = clock.run(release(&defender, "m1".parse()?)).await;
    expect(outcome.is_err_and(|error| error.never_sent()), "it was never sent")
}

async fn by_the_emulator_in_process() -> Result<(), Failure> {
    let clock = ManualClock::new();
    let emulator = Emulator::builder().clock(Arc::new(clock.clone())).in_process()?;
    let defender = embedded::client(&emulator, emulator.transport()).clock(clock.clone()).build()?;
    let [machine, ..] = emulator.machine_ids()[..] else { return Err("the emulator has no machine".into()) };
    emulator.machine_offline(machine);
    let error = match clock.run(release(&defender, machine.parse()?)).await {
        Ok(status) => return Err(format!("it ended as {status}").into()),
        Err(error) => error,
    };
    let status = error.action().map(|action| action.status.clone());
    expect(error.kind() == ErrorKind::ActionFailed && status == Some(ActionStatus::TimeOut), "it timed out")
}

fn expect(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("it was expected that {what}").into()) }
}
