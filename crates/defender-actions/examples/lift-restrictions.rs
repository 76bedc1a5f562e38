//! Lifts the app restriction of machines, by their names: `cargo run --example lift-restrictions [NAME ..]`.
//!
//! Each name must belong to exactly one machine. For another name the example prints the machines to choose from and continues. Without
//! arguments it uses two names of the emulator's machines and one that belongs to none.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

mod embedded;

use std::process::ExitCode;

use defender_actions::DefenderClient;
use embedded::{Embedded, Failure};
use futures_util::StreamExt;

#[tokio::main]
async fn main() -> ExitCode {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.is_empty() {
        names = ["WS-ENG-04.contoso.example", "c-lab-31", "ws-eng-04"].map(str::to_owned).into();
    }
    embedded::run(async {
        let embedded = Embedded::start().await?;
        lift(&embedded.defender, &names).await
    })
    .await
}

async fn lift(defender: &DefenderClient, names: &[String]) -> Result<(), Failure> {
    let mut submitted_ids = Vec::new();
    for name in names {
        let machine = match defender.machines().find(name).await {
            Ok(machine) => machine,
            Err(error) => {
                println!("skipped: {error}");
                continue;
            }
        };
        let lifting = defender.machine_of(&machine).unrestrict_code_execution("Ticket 4711: cleaned and validated");
        match lifting.await {
            Ok(submitted) => submitted_ids.push(submitted.id().clone()),
            Err(error) => println!("{name}: {error}"),
        }
    }
    let found = submitted_ids.len();
    let mut lifted = 0;
    let mut ends = defender.wait_all(submitted_ids).stream();
    while let Some((id, outcome)) = ends.next().await {
        match outcome {
            Ok(action) => {
                lifted += 1;
                println!("{}: {}", action.computer_dns_name.unwrap_or_default(), action.status);
            }
            Err(error) => println!("{id}: {error}"),
        }
    }
    println!("lifted: {lifted} of {found} found, of {} named", names.len());
    Ok(())
}
