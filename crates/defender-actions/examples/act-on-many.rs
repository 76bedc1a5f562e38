//! Scans many machines and waits for all of them: `cargo run --example act-on-many`.
//!
//! It runs on an emulator inside itself; see `embedded` for what it takes to run it on the real service.
#![allow(clippy::print_stdout, reason = "a program talks to whoever runs it")]

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use defender_actions::model::{ActionId, MachineId, ScanType};
use defender_emulator::Outcome as Ends;
use futures_util::{StreamExt, future::join_all};

use self::embedded::Failure;

mod embedded;

/// Time for the whole run: 1,000 scans are asked for in ten minutes. The quota is 1,500 an hour.
const WHOLE_RUN: Duration = Duration::from_secs(3_600);

#[tokio::main]
async fn main() -> ExitCode {
    embedded::run(example()).await
}

async fn example() -> Result<(), Failure> {
    let emulator = embedded::in_a_moment().machines(40).in_process()?;
    emulator.outcome(Ends::Failed { error_hresult: -2_147_024_891 }).times(2);
    let defender = embedded::client(&emulator, emulator.transport()).build()?;
    let machines = emulator.machine_ids().into_iter().map(str::parse).collect::<Result<Vec<MachineId>, _>>()?;

    // All at once: the client's queue keeps to the service's quota of 100 calls a minute. Time in the queue is time of the call, so
    // each call gets the time of the whole run. With the default of five minutes, those behind the first 500 would fail, and
    // nothing would be sent for them.
    let asked = machines.iter().map(|machine| {
        let scan = defender.machine(machine.clone()).run_antivirus_scan("Monthly scan", ScanType::Quick);
        let scan = scan.timeout(WHOLE_RUN);
        async move { (machine, scan.await) }
    });
    let mut scans: BTreeMap<ActionId, &MachineId> = BTreeMap::new();
    for (machine, outcome) in join_all(asked).await {
        match outcome {
            Ok(submitted) => drop(scans.insert(submitted.id().clone(), machine)),
            // One that cannot be asked for does not hold up the others.
            Err(error) => println!("{machine}: {error}"),
        }
    }
    println!("{} scans were asked for", scans.len());

    // One list call a cycle, however many they are.
    let (mut succeeded, mut failed) = (0, 0);
    let mut ends = defender.wait_all(scans.keys().cloned()).stream();
    while let Some((id, end)) = ends.next().await {
        match end {
            Ok(_) => succeeded += 1,
            Err(error) => {
                failed += 1;
                let machine = scans.get(&id).map(ToString::to_string).unwrap_or_default();
                println!("{machine}: {error}");
            }
        }
    }
    println!("done: {succeeded} scans succeeded and {failed} did not");
    Ok(())
}
