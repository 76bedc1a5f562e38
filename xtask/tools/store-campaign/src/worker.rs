//! A worker: the real client over TLS, with the journal and the quota of the store. It may be killed or stopped at any moment.

use std::sync::Arc;

use defender_actions::{
    DefenderClient, EntryKey, Journal, Settlement, Submitted, UnknownReason,
    model::{MachineId, UnrestrictCodeExecution},
};
use defender_emulator::FastClock;
use defender_transport::{Clock, QuotaStore};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::UnboundedReceiver;
use xtask::Failure;

use crate::{
    client::{AGAIN, client},
    database::Store,
    order::{Note, SPEED, WorkerOrder, key},
    process::{broken, say},
    scaled::Scaled,
};

/// Actions of a tenant at a time.
const AT_ONCE: usize = 24;

struct Worker {
    clock: FastClock,
    journal: Arc<dyn Journal>,
    client: DefenderClient,
    machines: Vec<MachineId>,
}

pub(crate) async fn work(order: WorkerOrder, _: UnboundedReceiver<String>) -> Result<(), Failure> {
    let broken = broken("a worker");
    let origin = order.origin.parse().map_err(|error: jiff::Error| broken(&error))?;
    let clock = FastClock::since(origin, SPEED);
    let store = loop {
        match Store::connect(&order.store).await {
            Ok(store) => break store,
            Err(error) => {
                eprintln!("the store: {error}");
                clock.sleep(AGAIN).await;
            }
        }
    };
    if !order.runs.is_empty() {
        crate::fleet::work(&crate::fleet::fleet(&order.tenants, &clock, store), &clock, &order.runs).await;
        return std::future::pending().await;
    }
    let (journal, quota): (Arc<dyn Journal>, Arc<dyn QuotaStore>) = match store {
        Store::Sqlite(store) => (Arc::new(Scaled(store.clone())), Arc::new(Scaled(store))),
        Store::Postgres(store) => (Arc::new(Scaled((*store).clone())), Arc::new(Scaled(*store))),
    };
    let mut tenants = Vec::new();
    for (number, tenant) in order.tenants.iter().enumerate() {
        let client = client(tenant, &clock)?.journal(Arc::clone(&journal)).quota_store(Arc::clone(&quota));
        let client = client.build().map_err(|error| broken(&error))?;
        let machines = tenant.machine_ids.iter().map(|id| id.parse()).collect::<Result<_, _>>();
        let machines = machines.map_err(|error: defender_actions::model::Error| broken(&error))?;
        let worker = Worker { clock: clock.clone(), journal: Arc::clone(&journal), client, machines };
        tenants.push((number, Arc::new(worker)));
    }
    let recovery = tenants.iter().map(|(_, worker)| tokio::spawn(recover(Arc::clone(worker)))).collect::<Vec<_>>();
    let tenants = tenants.into_iter().map(|(tenant, worker)| {
        // Its own actions, and a few of the next worker's: two processes have one key.
        let is_mine = |number: &u32| {
            let owner = number % order.workers;
            owner == order.worker || number.is_multiple_of(10) && (owner + 1) % order.workers == order.worker
        };
        let numbers: Vec<_> = (0..order.actions).filter(is_mine).collect();
        let actions = stream::iter(numbers).map(move |number| perform(Arc::clone(&worker), tenant, number));
        tokio::spawn(actions.buffer_unordered(AT_ONCE).collect::<()>())
    });
    for ended in futures_util::future::join_all(tenants).await {
        ended.map_err(|error| broken(&error))?;
    }
    recovery.iter().for_each(tokio::task::JoinHandle::abort);
    say(&Note::Done);
    // Until the supervisor ends this process.
    std::future::pending().await
}

/// Recovers again and again what dead workers left.
async fn recover(worker: Arc<Worker>) {
    loop {
        let mut pending = worker.client.recover_pending().stream();
        while let Some(recovered) = pending.next().await {
            match recovered {
                Ok(recovered) => {
                    if let Ok(submitted) = &recovered.outcome {
                        claim(recovered.key.as_str(), submitted);
                    }
                }
                Err(error) => eprintln!("recovery: {error}"),
            }
        }
        drop(pending);
        worker.clock.sleep(AGAIN).await;
    }
}

/// Performs an action until its entry has an outcome.
async fn perform(worker: Arc<Worker>, tenant: usize, number: u32) {
    let name = key(tenant, number);
    let machine = usize::try_from(number).ok().and_then(|number| worker.machines.get(number)).cloned();
    let (Some(machine), Some(entry), Ok(action)) = (machine, EntryKey::new(&name), UnrestrictCodeExecution::new(&name))
    else {
        eprintln!("action {name} cannot be made");
        return;
    };
    loop {
        match worker.journal.entry(&entry).await {
            Ok(Some(entry)) => match entry.outcome {
                Some(Settlement::NotSent { .. }) => {}
                Some(_) => return,
                // A running call has it, or a recovery will.
                None => {
                    worker.clock.sleep(AGAIN).await;
                    continue;
                }
            },
            Ok(None) => {}
            Err(error) => {
                eprintln!("{name}: {error}");
                worker.clock.sleep(AGAIN).await;
                continue;
            }
        }
        say(&Note::Began { key: name.clone() });
        match worker.client.machine(machine.clone()).perform(action.clone()).key(&name).await {
            Ok(submitted) => {
                claim(&name, &submitted);
                if number.is_multiple_of(5)
                    && let Err(error) = submitted.wait().await
                {
                    eprintln!("{name}: the wait: {error}");
                }
            }
            Err(error) => {
                eprintln!("{name}: {error}");
                if error.is_outcome_unknown() && error.reason() != Some(UnknownReason::EarlierRequest) {
                    say(&Note::Lost { key: name.clone() });
                }
                worker.clock.sleep(AGAIN).await;
            }
        }
    }
}

/// Reports an action, unless another process has reported it and the journal only repeats it.
fn claim(key: &str, submitted: &Submitted) {
    if !submitted.is_from_journal() {
        let (action, origin) = (submitted.id().to_string(), submitted.origin());
        say(&Note::Claim { key: key.to_owned(), action, origin });
    }
}
