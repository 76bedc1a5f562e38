//! The emulator in process with a manual clock: the environment of the outcome tests.

use std::{sync::Arc, time::Duration};

use defender_actions::{
    DefenderClient, DefenderClientBuilder,
    auth::ClientSecretCredential,
    model::MachineId,
    transport::{Transport, testing::ManualClock},
};
use defender_emulator::{Duplicates, Effect, Emulator, EmulatorBuilder, Entry};
use futures_util::future::{Either, select};

/// Every behavior of the service on a repeated POST that has been seen.
pub(crate) const DUPLICATES: [Duplicates; 3] = [Duplicates::Refuse, Duplicates::Join, Duplicates::Accept];

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// Emulator without a socket, and its clock.
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

    /// Client that shares no state with another, like one of another process.
    pub(crate) fn client(&self) -> DefenderClient {
        self.builder_over(self.emulator.transport()).build().unwrap()
    }

    pub(crate) fn builder_over(&self, transport: impl Transport + 'static) -> DefenderClientBuilder {
        let emulator = &self.emulator;
        let secret = ClientSecretCredential::new(emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
        DefenderClient::builder()
            .credential(secret)
            .transport(transport)
            .clock(self.clock.clone())
            .base_url(emulator.base_url())
            .authority(emulator.authority())
            .audience(emulator.audience())
    }

    /// First machine of the emulator.
    pub(crate) fn machine(&self) -> MachineId {
        self.machines()[0].clone()
    }

    pub(crate) fn machines(&self) -> Vec<MachineId> {
        self.emulator.machine_ids().iter().map(|id| id.parse().unwrap()).collect()
    }

    /// Runs `future` to its end in virtual time.
    pub(crate) async fn run<F: Future>(&self, future: F) -> F::Output {
        self.clock.run(future).await
    }

    /// Runs `future` for this time and drops it. Returns its output if it finished.
    pub(crate) async fn run_for<F: Future>(&self, time: Duration, future: F) -> Option<F::Output> {
        let mut future = Box::pin(future);
        let over = defender_actions::transport::Clock::sleep(&self.clock, time);
        match self.clock.run(select(&mut future, over)).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }

    /// Requests that the service received.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger(self.emulator.ledger())
    }
}

/// POSTs that the service received, and their effects.
#[derive(Debug)]
pub(crate) struct Ledger(Vec<Entry>);

impl Ledger {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Ids of the actions that the entries from `first` on created.
    pub(crate) fn created(&self, first: usize) -> Vec<&str> {
        let made = |entry: &Entry| matches!(entry.effect, Effect::Created(_));
        let entries = self.0.iter().skip(first).filter(|entry| made(entry));
        entries
            .filter_map(|entry| if let Effect::Created(id) = &entry.effect { Some(id.as_str()) } else { None })
            .collect()
    }
}
