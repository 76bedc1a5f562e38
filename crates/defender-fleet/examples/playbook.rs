//! An incident: names from a CSV file, a ticket, a dry run, a crash, a report, on an emulator whose clock runs a hundred times as fast.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "an example prints its results")]

use std::{error::Error, fmt::Write, process::ExitCode, sync::Arc};

use defender_actions::{
    DefenderClient,
    auth::ClientSecretCredential,
    model::UnrestrictCodeExecution,
    transport::{HyperTransport, Roots},
};
use defender_emulator::{Emulator, FastClock};
use defender_fleet::{Fleet, RetryRows, RunEventKind, Stores, Targets, Tenant, Tenants};
use futures_util::{StreamExt, TryStreamExt};
const THIS: &str = "This is the emulator: no real machine is touched.";

#[tokio::main]
async fn main() -> ExitCode {
    match example().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn example() -> Result<(), Box<dyn Error>> {
    let clock = FastClock::new(100);
    let emulator = Emulator::builder().machines(30).clock(Arc::new(clock.clone())).start().await?;
    let (tenants, stores) = (Tenants::default().with(contoso(&emulator, clock.clone())?), Stores::memory(clock));
    let fleet = Fleet::new(tenants.clone(), stores.clone());
    let machines: Vec<_> = fleet.client("contoso")?.machines().stream().try_collect().await?;
    let mut hosts = "name\ntill-99.contoso.example\n".to_owned(); // no machine has this name
    for name in machines.iter().filter_map(|machine| machine.computer_dns_name.as_deref()) {
        writeln!(hosts, "{name}")?;
    }
    // The dry run reads only. A person looks at the plan and approves it under the ticket of the change.
    let targets = Targets::csv_from("hosts.csv", hosts.as_bytes(), "name")?;
    let release = UnrestrictCodeExecution::new("INC-4711: cleaned and validated")?;
    let plan = fleet.plan("contoso")?.targets(targets).action(release).max_machines(30).waves([1, 10, 20]);
    let plan = plan.halt_after(12).resolve().await?;
    println!("{THIS}\n{plan}");
    let run = fleet.start(&plan.approved_by("jo@contoso.example", "CHG-12")?).await?;
    // The process dies in the middle of the second wave. Only the stores are left.
    let (id, mut events, mut sent) = (run.id().clone(), run.events(), 0);
    while let Some(event) = events.next().await.filter(|_| sent < 6) {
        sent += usize::from(matches!(event?.kind, RunEventKind::Sent { .. }));
    }
    drop((events, run, fleet));
    // Another process knows the id of the run. It searches for what was in flight, and sends no row twice.
    let run = Fleet::new(tenants, stores).run(&id).await?;
    println!("{}", run.finish().await?);
    run.retry(RetryRows::Unknown).await?; // a person has looked at these machines: their requests may be lost
    let report = run.finish().await?;
    println!("done: {} machines, {} left out\n{THIS}", report.counts.succeeded, report.counts.left_out);
    Ok(())
}

/// Returns the tenant. With the real service it comes from a file: `Tenants::from_toml("tenants.toml")`.
fn contoso(emulator: &Emulator, clock: FastClock) -> Result<Tenant, Box<dyn Error>> {
    let credential = ClientSecretCredential::new(emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
    let transport = HyperTransport::builder().roots(Roots::pem(emulator.ca_pem())?).build()?;
    let [base, authority, audience] =
        [emulator.base_url(), emulator.authority(), emulator.audience()].map(str::to_owned);
    Ok(Tenant::new("contoso", emulator.tenant_id(), move || {
        let builder = DefenderClient::builder().credential(credential.clone()).transport(transport.clone());
        Ok(builder.clock(clock.clone()).base_url(&base).authority(&authority).audience(&audience))
    }))
}
