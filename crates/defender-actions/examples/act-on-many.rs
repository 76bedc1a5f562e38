//! Scans many machines and waits for all of them: `cargo run --example act-on-many`.
//!
//! The example starts its own emulator. `embedded` shows the difference to a client of the real service.
#![allow(clippy::print_stdout, reason = "an example prints its results")]

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use defender_actions::model::{ActionId, MachineId, ScanType};
use defender_emulator::Outcome as Ends;
use futures_util::{StreamExt, future::join_all};

use self::embedded::Failure;

mod embedded;

/// Time limit of the whole run. At 100 calls a minute, 1,000 scans are submitted in ten minutes. The hourly quota is 1,500.
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

    // All at once: the client's queue keeps the service's quota of 100 calls a minute. The time in the queue counts as time of the call,
    // so each call gets the time limit of the whole run. With the default of five minutes, the calls after the first 500 would fail,
    // and nothing would be sent for them.
    let submissions = machines.iter().map(|machine| {
        let scan = defender.machine(machine.clone()).run_antivirus_scan("Monthly scan", ScanType::Quick);
        let scan = scan.timeout(WHOLE_RUN);
        async move { (machine, scan.await) }
    });
    let mut scans: BTreeMap<ActionId, &MachineId> = BTreeMap::new();
    for (machine, outcome) in join_all(submissions).await {
        match outcome {
            Ok(submitted) => drop(scans.insert(submitted.id().clone(), machine)),
            // A submission that fails does not stop the others.
            Err(error) => println!("{machine}: {error}"),
        }
    }
    println!("{} scans were submitted", scans.len());

    // One list call a cycle, however many scans there are.
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
