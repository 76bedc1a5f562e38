//! The process that is killed: the real client over the real transport, and a journal.

use std::{
    io::BufRead,
    pin::Pin,
    sync::{Arc, Mutex, atomic::AtomicUsize, mpsc},
};

use defender_emulator::FastClock;
use futures_util::{StreamExt, stream};
use xtask::Failure;

use super::{
    journal::{self, Event, JOURNAL, Journal, Known, tell},
    notes::{Note, Order},
    plan::{self, SPEED},
    service::{Asking, wire},
    stage::Worker,
    wire::Watched,
};
use crate::{
    canary::Canary,
    flow::{self, Numbered, Written},
    plan::Step,
    service::FILE,
};

/// Steps that go on at once.
const AT_ONCE: usize = 12;

/// Exit code of a process that panicked, as the standard library sets it.
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
    let Order { seed, incarnation, service, .. } = order;
    let clock = FastClock::since(order.origin.parse().map_err(|error| broken(&error))?, SPEED);
    let path = order.folder.join(JOURNAL);
    let lines = journal::read(&path).map_err(|error| broken(&error))?;
    let journal = Arc::new(Journal::open(&path, clock.clone()).map_err(|error| broken(&error))?);
    let clocks = Asking::of(&service, clock.clone())?.clocks().await?;
    let canary = Canary::new(&service.client_secret);
    // From here on whatever is traced is looked through, at every level.
    tracing::subscriber::set_global_default(canary.clone()).map_err(|error| broken(&error))?;
    let tenant = plan::tenant(seed);
    let wire = Watched::new(wire(&service.ca_file)?, Arc::clone(&journal), incarnation);
    let client = service.client(tenant.generates_ids).transport(wire).clock(clock.clone());
    let by = Numbered { client: client.build().map_err(|error| broken(&error))?, number: incarnation };
    journal.write(Event::Began { incarnation });
    journal.write(clocks.told());
    let machines = service.machine_ids.iter().map(|id| id.parse()).collect::<Result<_, _>>();
    let worker = Arc::new(Worker {
        seed,
        clock,
        journal: Arc::clone(&journal),
        canary: canary.clone(),
        machines: machines.map_err(|error: defender_actions::model::Error| broken(&error))?,
        file: FILE.parse().map_err(|error: defender_actions::model::Error| broken(&error))?,
        told: AtomicUsize::new(0),
        together: Mutex::default(),
    });
    let mut known = journal::known(&lines);
    let mut flows: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
    if tenant.recovers_together {
        let intents = known.iter_mut().filter_map(|(tag, known)| {
            let Known::Open(Written::Intent(intent)) = known else { return None };
            let intent = std::mem::take(intent);
            *known = Known::Settled;
            Some((tag.clone(), intent))
        });
        flows.push(Box::pin(flow::resume_together(Arc::clone(&worker), 0, by.clone(), intents.collect())));
    }
    for number in 0..order.steps {
        let step = Step::of(&tenant, number);
        let known = known.remove(&step.tag());
        flows.push(Box::pin(Arc::clone(&worker).step(step, by.clone(), known)));
    }
    stream::iter(flows).buffer_unordered(AT_ONCE).for_each(|()| async {}).await;
    Arc::clone(&worker).wait_together(order.steps, by).await;
    worker.look();
    journal.write(Event::Done { events: canary.events() });
    tell(&Note::Done);
    Ok(())
}
