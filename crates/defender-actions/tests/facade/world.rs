//! The emulator in process, and a clock turned by hand: what the tests of outcomes live in.

use std::{sync::Arc, time::Duration};

use defender_actions::{
    DefenderClient, DefenderClientBuilder,
    auth::ClientSecretCredential,
    model::MachineId,
    transport::{Transport, testing::ManualClock},
};
use defender_emulator::{Duplicates, Effect, Emulator, EmulatorBuilder, Entry};
use futures_util::future::{Either, select};

/// Each thing that the service has been seen to do with a repeated POST.
pub(crate) const DUPLICATES: [Duplicates; 3] = [Duplicates::Refuse, Duplicates::Join, Duplicates::Accept];

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// An emulator without a socket, and its clock.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) clock: ManualClock,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|emulator| emulator)
    }

    pub(crate) fn with(set: impl FnOnce(EmulatorBuilder) -> EmulatorBuilder) -> Self {
        let clock = ManualClock::new();
        let emulator = set(Emulator::builder().clock(Arc::new(clock.clone()))).in_process().unwrap();
        Self { emulator, clock }
    }

    /// A client that knows nothing of any other, as another process would have.
    pub(crate) fn client(&self) -> DefenderClient {
        self.builder_over(self.emulator.transport()).build().unwrap()
    }

    pub(crate) fn builder_over(&self, wire: impl Transport + 'static) -> DefenderClientBuilder {
        let emulator = &self.emulator;
        let secret = ClientSecretCredential::new(emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
        DefenderClient::builder()
            .credential(secret)
            .transport(wire)
            .clock(self.clock.clone())
            .base_url(emulator.base_url())
            .authority(emulator.authority())
            .audience(emulator.audience())
    }

    /// The first of the emulator's machines.
    pub(crate) fn machine(&self) -> MachineId {
        self.machines()[0].clone()
    }

    pub(crate) fn machines(&self) -> Vec<MachineId> {
        self.emulator.machine_ids().iter().map(|id| id.parse().unwrap()).collect()
    }

    /// Runs `future` to its end, in no time.
    pub(crate) async fn run<F: Future>(&self, future: F) -> F::Output {
        self.clock.run(future).await
    }

    /// Runs `future` for so long and drops it; gives its output, if it came so far.
    pub(crate) async fn run_for<F: Future>(&self, time: Duration, future: F) -> Option<F::Output> {
        let mut future = Box::pin(future);
        let over = defender_actions::transport::Clock::sleep(&self.clock, time);
        match self.clock.run(select(&mut future, over)).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }

    /// What the service received.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger(self.emulator.ledger())
    }
}

/// What the service received of POSTs, and what they did.
#[derive(Debug)]
pub(crate) struct Ledger(Vec<Entry>);

impl Ledger {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The ids of the actions that were made by the entries from `first` on.
    pub(crate) fn created(&self, first: usize) -> Vec<&str> {
        let made = |entry: &Entry| matches!(entry.effect, Effect::Created(_));
        let entries = self.0.iter().skip(first).filter(|entry| made(entry));
        entries
            .filter_map(|entry| if let Effect::Created(id) = &entry.effect { Some(id.as_str()) } else { None })
            .collect()
    }
}
