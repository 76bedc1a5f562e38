//! Collects an investigation package from a machine and saves it as a file: `cargo run --example collect-package`.
//!
//! The file gets its name when it is complete. An existing file is not replaced.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

mod embedded;

use std::{path::Path, process::ExitCode};

use defender_actions::{DefenderClient, model::MachineId};
use embedded::{Embedded, Failure};

#[tokio::main]
async fn main() -> ExitCode {
    embedded::run(async {
        let embedded = Embedded::start().await?;
        let [machine, ..] = embedded.emulator.machine_ids()[..] else {
            return Err("the emulator has no machine".into());
        };
        let folder = std::env::temp_dir().join(format!("collect-package-{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        let collected = collect(&embedded.defender, machine.parse()?, &folder.join("package.zip")).await;
        std::fs::remove_dir_all(&folder)?;
        collected
    })
    .await
}

async fn collect(defender: &DefenderClient, machine: MachineId, to: &Path) -> Result<(), Failure> {
    let submitted = defender.machine(machine).collect_investigation_package("Ticket 4711").await?;
    println!("action {} is {}", submitted.id(), submitted.action().status);
    submitted.wait().await?;

    let package = submitted.handle().package().limit(4 << 30).progress(|progress| {
        println!("{} of {:?} bytes", progress.received, progress.total);
    });
    let saved = package.save_as(to).await?;
    println!("saved: {} bytes, SHA-256 {}", saved.size(), saved.sha256());
    Ok(())
}
