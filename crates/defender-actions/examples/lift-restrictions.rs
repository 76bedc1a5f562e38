//! Lifts the app restriction of the machines of a list of names.
//!
//! Each name must be exactly one machine's: a name that is nobody's, or several machines', is told with what there is to choose
//! from, and the others go on. The names may be given as arguments; without any, the emulator's are taken, and one that is nobody's.
#![allow(clippy::print_stdout, reason = "a program talks to whoever runs it")]

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
    let mut under_way = Vec::new();
    for name in names {
        let machine = match defender.machines().find(name).await {
            Ok(machine) => machine,
            Err(error) => {
                println!("left out: {error}");
                continue;
            }
        };
        let lifting = defender.machine(machine.id).unrestrict_code_execution("Ticket 4711: cleaned and validated");
        match lifting.await {
            Ok(submitted) => under_way.push(submitted.id().clone()),
            Err(error) => println!("{name}: {error}"),
        }
    }
    let asked = under_way.len();
    let mut lifted = 0;
    let mut ends = defender.wait_all(under_way).stream();
    while let Some((id, outcome)) = ends.next().await {
        match outcome {
            Ok(action) => {
                lifted += 1;
                println!("{}: {}", action.computer_dns_name.unwrap_or_default(), action.status);
            }
            Err(error) => println!("{id}: {error}"),
        }
    }
    println!("lifted: {lifted} of {asked} found, of {} named", names.len());
    Ok(())
}
