//! The world of one seed: the service, the network, the processes of the application with what they have written down, and
//! notes of all that is said.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use defender_actions::{
    DefenderClient, Intent,
    model::{ActionId, MachineId, Sha1},
};
use defender_emulator::Emulator;
use defender_transport::{Clock, clock::Sleep, testing::ManualClock};

use super::{
    arrivals::Log,
    by_hand::ByHand,
    canary::Canary,
    dice::Dice,
    evidence::{Claim, Said, Submission},
    executor::Spawner,
    flow::{Numbered, Stage, Written},
    plan::PROCESSES,
    service::{FILE, Service},
    tenant::Tenant,
    wall::Wall,
    wire::{Network, Wire},
};

/// Time limit of a response to a request by hand.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Anything = Box<dyn StdError + Send + Sync>;

/// All that there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) tenant: Tenant,
    pub(crate) clock: ManualClock,
    pub(crate) spawner: Spawner,
    pub(crate) emulator: Emulator,
    pub(crate) network: Arc<Network>,
    pub(crate) log: Log,
    pub(crate) canary: Canary,
    pub(crate) rival: ByHand,
    service: Service,
    pub(crate) machines: Vec<MachineId>,
    file: Sha1,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    processes: Vec<Process>,
    clients: u32,
    pub(crate) submissions: Vec<Submission>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) restarts: u64,
    pub(crate) story: Vec<String>,
    /// Failures of the driver itself.
    pub(crate) broken: Vec<String>,
}

/// A process of the application. What it has written down outlives it.
#[derive(Debug)]
struct Process {
    number: u32,
    client: DefenderClient,
    journal: Journal,
    /// Actions to be waited for together.
    together: Vec<ActionId>,
}

/// Notes of a process, by the submission's tag.
pub(crate) type Journal = BTreeMap<String, Written>;

impl World {
    pub(crate) fn new(seed: u64) -> Result<Arc<Self>, Anything> {
        let (tenant, clock, spawner) = (Tenant::of(seed), ManualClock::new(), Spawner::default());
        // The secret is made with the emulator, whose log is watched for it: the log is looked through again at the end.
        let log = Log::new(clock.clone());
        let emulator = tenant.service(&clock, log.clone()).in_process()?;
        tenant.tell(&emulator);
        let (wire, dice) = (emulator.transport(), Dice::of(seed, u64::MAX));
        let service = Service::of(&emulator);
        let network = Network::new(wire, clock.clone(), spawner.clone(), tenant.latency, dice);
        let world = Self {
            canary: Canary::new(emulator.client_secret()),
            rival: ByHand::new(&service, emulator.transport(), clock.clone(), PATIENCE),
            machines: emulator.machine_ids().into_iter().map(str::parse).collect::<Result<_, _>>()?,
            file: FILE.parse()?,
            service,
            network: Arc::new(network),
            state: Mutex::default(),
            tenant,
            clock,
            spawner,
            emulator,
            log,
        };
        for _ in 0..PROCESSES {
            let Numbered { client, number } = world.client()?;
            world.state().processes.push(Process { number, client, journal: BTreeMap::new(), together: Vec::new() });
        }
        Ok(Arc::new(world))
    }

    /// A client that knows nothing of any other.
    fn client(&self) -> Result<Numbered, Anything> {
        let number = {
            let state = &mut *self.state();
            state.clients += 1;
            state.clients
        };
        let client = self
            .service
            .client(self.tenant.generates_ids)
            .transport(Wire { network: Arc::clone(&self.network), client: number })
            .clock(Wall { clock: self.clock.clone(), ahead: self.tenant.ahead })
            .backoff_seed(self.tenant.seed ^ u64::from(number))
            .build()?;
        self.canary.look_at("a client", &client);
        Ok(Numbered { client, number })
    }

    /// The client of a process, as it is now.
    pub(crate) fn process(&self, place: usize) -> Option<Numbered> {
        let state = self.state();
        let process = state.processes.get(place)?;
        Some(Numbered { client: process.client.clone(), number: process.number })
    }

    /// Puts a new client in the place of a process that was killed; gives it, and what the one before had written down.
    pub(crate) fn restart(&self, place: usize) -> Result<Option<(Numbered, Journal)>, Anything> {
        let new = self.client()?;
        let state = &mut *self.state();
        state.restarts += 1;
        let Some(process) = state.processes.get_mut(place) else { return Ok(None) };
        process.number = new.number;
        process.client = new.client.clone();
        Ok(Some((new, process.journal.clone())))
    }

    /// Takes the actions that were left to be waited for.
    pub(crate) fn left(&self, place: usize) -> Vec<ActionId> {
        self.state().processes.get_mut(place).map(|process| std::mem::take(&mut process.together)).unwrap_or_default()
    }

    /// A line of the story.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        let at: Duration = self.clock.elapsed();
        self.state().story.push(format!("{:>10.3} s  {}", at.as_secs_f64(), line()));
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage for World {
    fn canary(&self) -> &Canary {
        &self.canary
    }

    fn machine(&self, place: usize) -> Option<&MachineId> {
        self.machines.get(place)
    }

    fn file(&self) -> &Sha1 {
        &self.file
    }

    fn sleep(&self, time: Duration) -> Sleep {
        self.clock.sleep(time)
    }

    fn tagged<F: Future + Send>(&self, tag: &str, future: F) -> impl Future<Output = F::Output> + Send {
        self.network.tagged(tag.into(), future)
    }

    fn broken(&self, why: String) {
        self.state().broken.push(why);
    }

    fn write(&self, place: usize, tag: &str, written: Written) {
        if let Some(process) = self.state().processes.get_mut(place) {
            process.journal.insert(tag.to_owned(), written);
        }
    }

    fn forget(&self, place: usize, tag: &str) {
        if let Some(process) = self.state().processes.get_mut(place) {
            process.journal.remove(tag);
        }
    }

    fn leave(&self, place: usize, id: ActionId) {
        if let Some(process) = self.state().processes.get_mut(place) {
            process.together.push(id);
        }
    }

    fn asks(&self, tag: &str, client: u32, intent: &Intent, resend_if_lost: bool) {
        self.tell(|| format!("{tag}: client {client} asks for {} of {}", intent.action_type, intent.machine_id));
        self.canary.look_at("an intent", intent);
        let submission = Submission {
            tag: tag.to_owned(),
            incarnation: client,
            machine: intent.machine_id.as_str().to_owned(),
            action_type: intent.action_type.clone(),
            body: intent.body.clone(),
            resend_if_lost,
            written: self.clock.elapsed(),
            latest: self.clock.elapsed() + intent.latest().duration_since(intent.earliest).unsigned_abs(),
            departed: None,
        };
        self.state().submissions.push(submission);
    }

    fn said(&self, tag: &str, client: u32, by_intent: bool, said: Said) {
        self.tell(|| format!("{tag}: client {client} says {said:?}"));
        let claim = Claim { tag: tag.to_owned(), incarnation: client, at: self.clock.elapsed(), by_intent, said };
        self.state().claims.push(claim);
    }
}
