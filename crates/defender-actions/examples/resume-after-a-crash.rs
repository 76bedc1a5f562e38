//! Finds the outcome of an action after a crash: `cargo run --example resume-after-a-crash`.
//!
//! The intent is written to a file before anything is sent. The process then ends between the request and the response; here the example
//! drops its client. The second part knows the file only.
//!
//! The example starts its own emulator. `embedded` shows the difference to a client of the real service.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::{fs, path::Path, process::ExitCode, time::Duration};

use defender_actions::{Intent, Origin};
use defender_emulator::{Emulator, Fault, Operation};

use self::embedded::Failure;

mod embedded;

#[tokio::main]
async fn main() -> ExitCode {
    embedded::run(example()).await
}

async fn example() -> Result<(), Failure> {
    let emulator = embedded::in_a_moment().in_process()?;
    let file = std::env::temp_dir().join(format!("defender-intent-{}.json", std::process::id()));
    let outcome = run(&emulator, &file).await;
    fs::remove_file(&file)?;
    outcome
}

async fn run(emulator: &Emulator, file: &Path) -> Result<(), Failure> {
    // The response never comes.
    emulator.fault(Fault::HangAfterEffect).on(Operation::Unisolate).times(1);
    before_the_crash(emulator, file).await?;
    let posts = emulator.ledger().len();
    println!("the process has ended; the service has received {posts} POST, and its outcome is unknown");

    let (id, origin) = after_the_crash(emulator, file).await?;
    let again = emulator.ledger().len().saturating_sub(posts);
    println!("done: action {id} is {origin:?} and has succeeded; {again} POSTs were sent for the recovery");
    Ok(())
}

async fn before_the_crash(emulator: &Emulator, file: &Path) -> Result<(), Failure> {
    let defender = embedded::client(emulator, emulator.transport()).build()?;
    let machine = embedded::machine(emulator)?;
    // An external id distinguishes this release from any other one of this machine, also in other processes.
    let release = defender.machine(machine).unisolate("Cleaned, ticket 4711").external_id("ticket-4711");
    fs::write(file, serde_json::to_vec_pretty(&release.intent()?)?)?;
    let crash = tokio::time::timeout(Duration::from_millis(200), release.send()).await;
    if crash.is_ok() { Err("a response came, and none was expected".into()) } else { Ok(()) }
}

async fn after_the_crash(emulator: &Emulator, file: &Path) -> Result<(String, Origin), Failure> {
    let defender = embedded::client(emulator, emulator.transport()).build()?;
    let intent: Intent = serde_json::from_slice(&fs::read(file)?)?;
    println!(
        "intent: {} of {}, comment `{}`",
        intent.action_type,
        intent.machine_id,
        intent.comment().unwrap_or_default()
    );
    // Only reads are sent. If no action is found, the outcome stays unknown, and a person decides.
    let submitted = defender.recover(intent).await?;
    submitted.wait().await?;
    Ok((submitted.id().to_string(), submitted.origin()))
}
