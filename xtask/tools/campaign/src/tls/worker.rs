//! The process that is killed: the real client over the real wire, and a journal.

use std::{
    collections::BTreeMap,
    io::BufRead,
    path::Path,
    sync::{Arc, atomic::AtomicUsize, mpsc},
};

use defender_actions::{DefenderClient, ExternalIds, auth::ClientSecretCredential};
use defender_emulator::FastClock;
use defender_transport::{HyperTransport, Roots};
use futures_util::{StreamExt, stream};

use super::{
    JOURNAL,
    journal::{self, Event},
    order::{Note, Order},
    plan::{self, Plan, SPEED},
    service::Asking,
    task::Tasks,
    teller::{Teller, tell},
    wire::Watched,
};
use crate::{Failure, canary::Canary};

/// How many steps go on at once.
const AT_ONCE: usize = 12;

/// What a process that panicked says with its exit code: what the standard library itself says.
pub(super) const PANICKED: i32 = 101;

/// A worker whose supervisor is gone.
const ALONE: i32 = 3;

/// Works until all is done, or until it is killed. It ends when its standard input does.
pub(crate) fn run() -> Result<(), Failure> {
    // A panic anywhere is the end, also in a task of hyper's that nobody asks how it ended.
    let words = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        words(panic);
        std::process::exit(PANICKED);
    }));
    let order = ordered()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::broken("a worker's runtime", error))?;
    runtime.block_on(work(order))
}

/// The order, and a watch over what comes after it.
fn ordered() -> Result<Order, Failure> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut line = String::new();
        let _read = stdin.read_line(&mut line);
        let _heard = sender.send(line);
        let _end = std::io::copy(&mut stdin, &mut std::io::sink());
        std::process::exit(ALONE);
    });
    let line = receiver.recv().map_err(|error| Failure::broken("a worker's order", error))?;
    serde_json::from_str(&line).map_err(|error| Failure::broken("a worker's order", error))
}

async fn work(order: Order) -> Result<(), Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure::broken("a worker", error);
    let origin = order.origin.parse().map_err(|error| broken(&error))?;
    let clock = FastClock::since(origin, SPEED);
    let path = order.folder.join(JOURNAL);
    let lines = journal::read(&path).map_err(|error| broken(&error))?;
    let teller = Arc::new(Teller::open(&path, clock.clone()).map_err(|error| broken(&error))?);
    let clocks = Asking::of(&order.service, clock.clone())?.clocks().await?;
    let canary = Canary::new(&order.service.client_secret);
    // From here on whatever is traced is looked through, at every level.
    tracing::subscriber::set_global_default(canary.clone()).map_err(|error| broken(&error))?;
    let wire = Watched::new(wire(&order.service.ca_file)?, Arc::clone(&teller), order.incarnation);
    let defender = client(&order, wire, clock.clone()).map_err(|error| broken(&error))?;
    teller.write(Event::Began { incarnation: order.incarnation });
    teller.write(clocks.told());
    let plan = Plan::of(order.seed, order.steps);
    let (told, machines) = (AtomicUsize::new(0), order.service.machine_ids);
    let tasks = Tasks { defender, clock, teller: Arc::clone(&teller), canary: canary.clone(), told, machines };
    let known = journal::known(&lines);
    let mut found = if plan::recovers_together(order.seed) { tasks.recover_all(&known).await } else { BTreeMap::new() };
    let steps: Vec<_> = plan
        .steps
        .into_iter()
        .map(|step| {
            let known = known.get(&step.tag()).cloned().unwrap_or_default();
            let found = found.remove(&step.tag());
            tasks.step(step, known, found)
        })
        .collect();
    stream::iter(steps).buffer_unordered(AT_ONCE).for_each(|()| async {}).await;
    tasks.look();
    teller.write(Event::Done { events: canary.events() });
    tell(&Note::Done);
    Ok(())
}

/// The shipped wire as it ships, but for whom it trusts. The times of hyper itself, which are those of unused connections and of signs
/// of life, go by the machine's clock, and so does that of connecting.
fn wire(ca_file: &Path) -> Result<HyperTransport, Failure> {
    let pem = std::fs::read(ca_file).map_err(|error| Failure::broken(ca_file.display(), error))?;
    let roots = Roots::pem(pem).map_err(|error| Failure::broken(ca_file.display(), error))?;
    HyperTransport::builder().roots(roots).build().map_err(|error| Failure::broken("the wire", error))
}

/// The shipped client with all its defaults, but for where the service is and how fast time goes.
fn client(order: &Order, wire: Watched, clock: FastClock) -> Result<DefenderClient, defender_actions::Error> {
    let service = &order.service;
    let secret = ClientSecretCredential::new(&service.tenant_id, &service.client_id, &service.client_secret);
    let client = DefenderClient::builder().credential(secret).transport(wire).clock(clock);
    let client = client.base_url(&service.base_url).authority(&service.authority);
    let ids = if plan::generates_ids(order.seed) { ExternalIds::Generated } else { ExternalIds::AsGiven };
    client.audience(&service.audience).external_ids(ids).build()
}
