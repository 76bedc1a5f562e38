//! The guard at departure, and the actions that are not of a run.

use std::{sync::Arc, time::Duration};

use defender_actions::{ErrorKind, MemoryJournal};
use defender_fleet::Stores;
use defender_store::{MemoryRunStore, RunStore, WorkerId, WorkerLease};
use defender_transport::MemoryQuotaStore;
use futures_util::StreamExt;

use crate::world::{World, counts};

/// A worker that was stopped for long does not send a row that another worker has claimed.
#[tokio::test]
async fn departure_needs_the_row() {
    let world = World::new(250);
    let clock = world.clock.clone();
    let runs = MemoryRunStore::new(clock.clone());
    let stores = Stores::new(
        Arc::new(MemoryJournal::new(clock.clone())),
        Arc::new(MemoryQuotaStore::new(clock)),
        Arc::new(runs.clone()),
    );
    let world = world.with_stores(stores);
    let run = world.start(&world.release()).await;
    let mut events = run.events();
    while world.entries().len() < 100 {
        world.run(events.next()).await.unwrap().unwrap();
    }
    // Rows wait for the next minute. The process sleeps for longer than its lease, and another worker takes them.
    for _ in 0..8 {
        world.run(events.next()).await.unwrap().unwrap();
    }
    world.clock.advance(Duration::from_secs(100));
    let other = WorkerLease { worker: WorkerId::generate(), lease: Duration::from_secs(3_600) };
    let taken = runs.claim_rows(run.id(), other, 250).await.unwrap();
    assert!(taken.len() >= 100, "{}", taken.len());
    let before = world.entries().len();
    let rest = async {
        for _ in 0..300 {
            let pause = defender_transport::Clock::sleep(&world.clock, Duration::from_secs(600));
            if let futures_util::future::Either::Right(_) = futures_util::future::select(events.next(), pause).await {
                break;
            }
        }
    };
    world.run(rest).await;
    let taken: Vec<_> =
        taken.iter().map(|row| row.document.split('"').find(|text| text.len() == 40).unwrap()).collect();
    let sent_by_both = world.entries()[before..].iter().filter(|e| taken.iter().any(|id| e.path.contains(id))).count();
    assert_eq!(sent_by_both, 0, "sent although another worker has the row");
}

#[tokio::test]
async fn other_actions_pass_the_guard() {
    let world = World::new(3);
    let run = world.start(&world.release()).await;
    run.halt("stop").await.unwrap();
    let client = run_client(&world);
    let machine = client.machine(world.emulator.machine_ids()[0].parse().unwrap());
    assert!(world.run(machine.isolate("by hand").send()).await.is_ok());
    // The key of a row is the run's alone.
    let key = format!("run/{}/1/1", run.id());
    let machine = client.machine(world.emulator.machine_ids()[1].parse().unwrap());
    let error = world.run(machine.isolate("by hand").key(key).send()).await.unwrap_err();
    assert_eq!((error.kind(), error.never_sent()), (ErrorKind::Journal, true));
    assert!(error.to_string().contains("another worker has the row, so nothing was sent"), "{error}");
    assert_eq!(counts(&run.report().await.unwrap()), (0, 0, 0, 3));
}

fn run_client(world: &World) -> defender_actions::DefenderClient {
    world.fleet().client("contoso").unwrap()
}
