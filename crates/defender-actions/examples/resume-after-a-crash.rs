//! Kills a program between a request and its response, and runs it again: `cargo run --example resume-after-a-crash`.
//!
//! The example starts its own emulator, and itself twice as the program. The emulator accepts the action and never responds, so the first
//! program is killed while it waits. The second one finds the action by its journal, and sends nothing again.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::{
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use defender_actions::{
    DefenderClientBuilder, JsonlJournal,
    model::MachineId,
    transport::{Clock, SystemClock},
};
use defender_emulator::{Emulator, Fault, Operation};
use tokio::process::{Child, Command};

use self::embedded::Failure;

mod embedded;

/// The program: the same before and after the crash.
async fn program(journal: &Path, machine: MachineId) -> Result<(), Failure> {
    let journal = Arc::new(JsonlJournal::open(journal)?);
    let defender = DefenderClientBuilder::from_env()?.journal(journal).build()?;
    for recovered in defender.recover_pending().await? {
        println!("recovered: action {}", recovered.outcome?.id());
    }
    // A second request with this key sends nothing while the first may have taken effect.
    let submitted = defender.machine(machine).unisolate("Cleaned, ticket 4711").key("ticket-4711").await?;
    let done = submitted.wait().await?;
    println!("done: action {} of this key has {}", done.id, done.status);
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(journal), Some(machine)) => match machine.parse() {
            Ok(machine) => exit_code(program(Path::new(&journal), machine).await),
            Err(error) => exit_code(Err(error.into())),
        },
        _ => embedded::run(example()).await,
    }
}

fn exit_code(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {}", embedded::with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn example() -> Result<(), Failure> {
    let emulator = embedded::in_a_moment().start().await?;
    let folder = std::env::temp_dir().join(format!("defender-crash-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = crash_and_resume(&emulator, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    outcome
}

async fn crash_and_resume(emulator: &Emulator, folder: &Path) -> Result<(), Failure> {
    let ca_file = folder.join("ca.pem");
    std::fs::write(&ca_file, emulator.ca_pem())?;
    // The response never comes.
    emulator.fault(Fault::HangAfterEffect).on(Operation::Unisolate).times(1);

    let mut first = start(emulator, folder, &ca_file)?;
    let clock = SystemClock::new();
    while emulator.ledger().is_empty() {
        clock.sleep(Duration::from_millis(20)).await;
        if let Some(status) = first.try_wait()? {
            return Err(format!("the program has ended with {status}, and was to be killed").into());
        }
    }
    first.kill().await?;
    println!("the program was killed; the service has received {} POST", emulator.ledger().len());

    let status = start(emulator, folder, &ca_file)?.wait().await?;
    if !status.success() {
        return Err(format!("the second program has ended with {status}").into());
    }
    println!("the service has received {} POST in all", emulator.ledger().len());
    if emulator.ledger().len() == 1 { Ok(()) } else { Err("the action was sent twice".into()) }
}

/// Starts this example as the program, with the settings of the emulator in its environment.
fn start(emulator: &Emulator, folder: &Path, ca_file: &Path) -> Result<Child, Failure> {
    let journal: PathBuf = folder.join("actions.jsonl");
    let child = Command::new(std::env::current_exe()?)
        .arg(journal)
        .arg(embedded::machine(emulator)?.as_str())
        .env("AZURE_TENANT_ID", emulator.tenant_id())
        .env("AZURE_CLIENT_ID", emulator.client_id())
        .env("AZURE_CLIENT_SECRET", emulator.client_secret())
        .env("AZURE_AUTHORITY_HOST", emulator.authority())
        .env("DEFENDER_BASE_URL", emulator.base_url())
        .env("DEFENDER_AUDIENCE", emulator.audience())
        .env("DEFENDER_CA_FILE", ca_file)
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}
