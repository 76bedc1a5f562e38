//! Uploads a script to the library, runs it on a machine, and reads its output: `cargo run --example run-script`.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

mod embedded;

use std::process::ExitCode;

use defender_actions::{
    DefenderClient,
    model::{LiveResponseCommand, MachineId},
};
use embedded::{Embedded, Failure};

const SCRIPT: &str = "param([int] $Days)\r\nGet-WinEvent -LogName Security | Where-Object ...\r\n";

#[tokio::main]
async fn main() -> ExitCode {
    embedded::run(async {
        let embedded = Embedded::start().await?;
        let [machine, ..] = embedded.emulator.machine_ids()[..] else {
            return Err("the emulator has no machine".into());
        };
        run(&embedded.defender, machine.parse()?).await
    })
    .await
}

async fn run(defender: &DefenderClient, machine: MachineId) -> Result<(), Failure> {
    let upload = defender.library().upload("logons.ps1", SCRIPT).parameters("-Days n").override_if_exists();
    println!("uploaded: {}", upload.await?.file_name);

    let commands = [LiveResponseCommand::run_script("logons.ps1").args("-Days 3")];
    let submitted = defender.machine(machine).run_live_response("Ticket 4711", commands).await?;
    let session = submitted.wait().await?;

    // `Succeeded` means that the session ended. Each command has its own status, and a script has an exit code.
    for command in session.failed_commands() {
        println!("command {:?} failed: {:?}", command.index, command.errors);
    }
    let result = submitted.handle().result(0).transcript().await?;
    println!("{} ended with {:?} and printed:", result.script_name(), result.exit_code());
    for line in result.output().lines() {
        println!("  {line}");
    }
    Ok(())
}
