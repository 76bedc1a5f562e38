//! Puts a script into the library, runs it on a machine, and reads what it said.
#![allow(clippy::print_stdout, reason = "a program talks to whoever runs it")]

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
    println!("in the library: {}", upload.await?.file_name);

    let commands = [LiveResponseCommand::run_script("logons.ps1").args("-Days 3")];
    let submitted = defender.machine(machine).run_live_response("Ticket 4711", commands).await?;
    let session = submitted.wait().await?;

    // Succeeded says that the session ended; each command has a status of its own, and a script an exit code.
    for command in session.failed_commands() {
        println!("command {:?} failed: {:?}", command.index, command.errors);
    }
    let said = defender.action(submitted.id().clone()).result(0).transcript().await?;
    println!("{} ended with {:?} and said:", said.script_name(), said.exit_code());
    for line in said.output().lines() {
        println!("  {line}");
    }
    Ok(())
}
