//! Isolates a machine and waits for the end of the action: `cargo run --example isolate-and-wait`.
//!
//! The example starts its own emulator. `embedded` shows the difference to a client of the real service.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::{process::ExitCode, time::Duration};

use defender_actions::ErrorKind;

use self::embedded::Failure;

mod embedded;

#[tokio::main]
async fn main() -> ExitCode {
    embedded::run(example()).await
}

async fn example() -> Result<(), Failure> {
    let emulator = embedded::in_a_moment().in_process()?;
    let defender = embedded::client(&emulator, emulator.transport()).build()?;
    let machine = embedded::machine(&emulator)?;

    // Sent once, and not before the await.
    let submitted = defender.machine(machine).isolate("Ransomware, ticket 4711").selective().await?;
    println!("action {} was {:?} and is {}", submitted.id(), submitted.origin(), submitted.action().status);

    // `Ok` only if the action succeeded.
    match submitted.wait().at_most(Duration::from_secs(1_800)).await {
        Ok(action) => println!("done: {} of {} {}", action.action_type, machine_of(&action), action.status),
        Err(error) if error.kind() == ErrorKind::WaitTimeout => {
            // The action is still running. Its id is enough to wait again, tomorrow or in another process.
            println!("not yet: {error}");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn machine_of(action: &defender_actions::model::MachineAction) -> &str {
    action.computer_dns_name.as_deref().unwrap_or("a machine")
}
