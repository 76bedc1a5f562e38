//! Takes an action back before the machine has begun with it: `cargo run --example cancel`.
//!
//! It runs on an emulator inside itself; see `embedded` for what it takes to run it on the real service.
#![allow(clippy::print_stdout, reason = "a program talks to whoever runs it")]

use std::process::ExitCode;

use defender_actions::{ErrorKind, model::ActionStatus};

use self::embedded::Failure;

mod embedded;

#[tokio::main]
async fn main() -> ExitCode {
    embedded::run(example()).await
}

async fn example() -> Result<(), Failure> {
    let emulator = embedded::in_a_moment().in_process()?;
    let defender = embedded::client(&emulator, emulator.transport()).build()?;
    let [off, on, ..] = emulator.machine_ids()[..] else { return Err("the emulator has machines".into()) };

    // A machine that is off leaves its actions pending for up to three days.
    emulator.machine_offline(off);
    let submitted = defender.machine(off.parse()?).isolate("Wrong machine").await?;
    println!("action {} is {}", submitted.id(), submitted.action().status);
    let record = submitted.cancel("False positive").await?;
    println!(
        "cancelled: it is {}, for `{}`",
        record.status,
        record.cancellation_comment.as_deref().unwrap_or_default()
    );

    // Who waits for it is told, with the record.
    match submitted.wait().await {
        Err(error) if error.action().is_some_and(|action| action.status == ActionStatus::Cancelled) => {
            println!("its wait ends: {error}");
        }
        other => return Err(format!("it was cancelled, and its wait says {other:?}").into()),
    }

    // What has ended cannot be taken back.
    let done = defender.machine(on.parse()?).isolate("Ransomware").await?.wait().await?;
    match defender.action(done.id).cancel("Too late").await {
        Err(error) if error.kind() == ErrorKind::Refused => println!("done: too late for the other: {error}"),
        other => return Err(format!("it had ended, and its cancelling says {other:?}").into()),
    }
    Ok(())
}
