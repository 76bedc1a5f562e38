//! The world of one seed: the service, the network, the processes of the application with what they have written down, and
//! notes of all that is said.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use defender_actions::{
    DefenderClient, Error, ExternalIds, Intent,
    auth::ClientSecretCredential,
    model::{ActionId, MachineId, Sha1},
};
use defender_emulator::Emulator;
use defender_transport::{Clock, Retry, testing::ManualClock};

use super::{
    arrivals::Log,
    canary::Canary,
    dice::Dice,
    evidence::{Claim, Said, Submission},
    executor::Spawner,
    plan::PROCESSES,
    rival::Rival,
    tenant::Tenant,
    wall::Wall,
    wire::{Network, Wire},
};

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
    pub(crate) rival: Rival,
    pub(crate) machines: Vec<MachineId>,
    /// The file that is put away.
    pub(crate) file: Sha1,
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
    /// What went wrong with the driver itself.
    pub(crate) broken: Vec<String>,
}

/// A process of the application. What it has written down outlives it.
#[derive(Debug)]
struct Process {
    number: u32,
    client: DefenderClient,
    journal: Journal,
    /// What is to be waited for together.
    together: Vec<ActionId>,
}

/// What is written down, by the submission's tag.
pub(crate) type Journal = BTreeMap<String, Written>;

/// What is written down of a submission.
#[derive(Clone, Debug)]
pub(crate) enum Written {
    /// Its intent, as JSON, before anything is sent.
    Intent(String),
    /// Its action.
    Action(ActionId),
}

/// A client, and its number among all that there were.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) client: DefenderClient,
    pub(crate) number: u32,
}

impl World {
    pub(crate) fn new(seed: u64) -> Result<Arc<Self>, Anything> {
        let (tenant, clock, spawner) = (Tenant::of(seed), ManualClock::new(), Spawner::default());
        // The secret is made with the emulator, whose log is watched for it: the log is looked through again at the end.
        let log = Log::new(clock.clone());
        let emulator = tenant.service(&clock, log.clone()).in_process()?;
        tenant.tell(&emulator);
        let (wire, dice) = (emulator.transport(), Dice::of(seed, u64::MAX));
        let network = Network::new(wire, clock.clone(), spawner.clone(), tenant.latency, dice);
        let world = Self {
            canary: Canary::new(emulator.client_secret()),
            rival: Rival::new(&emulator, clock.clone()),
            machines: emulator.machine_ids().into_iter().map(str::parse).collect::<Result<_, _>>()?,
            file: "87662bc3d60e4200ceaf7aae249d1c343f4b83c9".parse()?,
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
        let emulator = &self.emulator;
        let secret = ClientSecretCredential::new(emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
        let client = DefenderClient::builder()
            .credential(secret)
            .transport(Wire { network: Arc::clone(&self.network), client: number })
            .clock(Wall { clock: self.clock.clone(), ahead: self.tenant.ahead })
            .retry(Retry::default().seed(self.tenant.seed ^ u64::from(number)))
            .base_url(emulator.base_url())
            .authority(emulator.authority())
            .audience(emulator.audience())
            .external_ids(if self.tenant.generates_ids { ExternalIds::Generated } else { ExternalIds::AsGiven })
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

    /// Writes down what is known of a submission.
    pub(crate) fn write(&self, place: usize, tag: &str, written: Written) {
        if let Some(process) = self.state().processes.get_mut(place) {
            process.journal.insert(tag.to_owned(), written);
        }
    }

    /// There is nothing more to be done about it.
    pub(crate) fn forget(&self, place: usize, tag: &str) {
        if let Some(process) = self.state().processes.get_mut(place) {
            process.journal.remove(tag);
        }
    }

    /// Leaves an action to be waited for with others.
    pub(crate) fn leave(&self, place: usize, id: ActionId) {
        if let Some(process) = self.state().processes.get_mut(place) {
            process.together.push(id);
        }
    }

    /// What was left to be waited for.
    pub(crate) fn left(&self, place: usize) -> Vec<ActionId> {
        self.state().processes.get_mut(place).map(|process| std::mem::take(&mut process.together)).unwrap_or_default()
    }

    pub(crate) fn asks(&self, tag: &str, client: u32, intent: &Intent, resend_if_lost: bool) {
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

    /// Notes what the client said.
    pub(crate) fn said(&self, tag: &str, client: u32, by_intent: bool, said: Said) {
        self.tell(|| format!("{tag}: client {client} says {said:?}"));
        let claim = Claim { tag: tag.to_owned(), incarnation: client, at: self.clock.elapsed(), by_intent, said };
        self.state().claims.push(claim);
    }

    /// Notes an error, and looks at all that it shows.
    pub(crate) fn failed(&self, tag: &str, client: u32, by_intent: bool, error: &Error) {
        self.canary.look_at_error("an error", error);
        self.said(tag, client, by_intent, Said::from(error));
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
