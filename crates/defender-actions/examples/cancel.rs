//! Cancels an action before the machine has begun it: `cargo run --example cancel`.
//!
//! The example starts its own emulator. `embedded` shows the difference to a client of the real service.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

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

    // Actions of a machine that is off stay pending for up to three days.
    emulator.machine_offline(off);
    let submitted = defender.machine(off.parse()?).isolate("Wrong machine").await?;
    println!("action {} is {}", submitted.id(), submitted.action().status);
    let record = submitted.cancel("False positive").await?;
    println!(
        "cancelled: the action is {}, comment `{}`",
        record.status,
        record.cancellation_comment.as_deref().unwrap_or_default()
    );

    // A wait for the action ends with an error that has the record.
    match submitted.wait().await {
        Err(error) if error.action().is_some_and(|action| action.status == ActionStatus::Cancelled) => {
            println!("the wait ends: {error}");
        }
        other => return Err(format!("the action was cancelled, and its wait returned {other:?}").into()),
    }

    // An action that has ended cannot be cancelled.
    let done = defender.machine(on.parse()?).isolate("Ransomware").await?.wait().await?;
    match defender.action(done.id).cancel("Too late").await {
        Err(error) if error.kind() == ErrorKind::Refused => println!("done: too late for the other: {error}"),
        other => return Err(format!("the action had ended, and cancelling it returned {other:?}").into()),
    }
    Ok(())
}
