//! Recovery by the journal when something else fails as well: reads, the journal itself, a second request.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use defender_actions::{
    DefenderClient, DefenderClientBuilder, Entry, EntryKey, ErrorKind, Holder, Intended, Intent, Journal, JournalError,
    JournalScope, MemoryJournal, Origin, Settled, Settlement, UnknownReason, Unsettled, model::MachineAction,
};
use defender_emulator::{Fault, Operation};
use futures_util::lock::Mutex;

use crate::world::{HOUR, MINUTE, World};

/// Arguments of an intent.
type Late = (EntryKey, Intent, Holder, Duration);

/// Journal that is away on request, and then takes an intent late.
#[derive(Clone, Debug)]
struct Unreliable {
    memory: MemoryJournal,
    away: Arc<Mutex<bool>>,
    /// The journal goes away after the next intent.
    goes_away: Arc<Mutex<bool>>,
    /// Intent that was asked while the journal was away.
    late: Arc<Mutex<Option<Late>>>,
}

impl Unreliable {
    fn new(world: &World) -> Self {
        let memory = MemoryJournal::new(world.clock.clone());
        Self { memory, away: Arc::default(), goes_away: Arc::default(), late: Arc::default() }
    }

    async fn set_away(&self, away: bool) {
        *self.away.lock().await = away;
    }

    async fn check(&self) -> Result<(), JournalError> {
        if *self.away.lock().await { Err(JournalError::new("the database is away; start it")) } else { Ok(()) }
    }

    async fn entry_of(&self, key: &str) -> Entry {
        self.memory.entry(&EntryKey::new(key).unwrap()).await.unwrap().unwrap()
    }
}

#[async_trait]
impl Journal for Unreliable {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        if *self.away.lock().await {
            *self.late.lock().await = Some((key.clone(), intent.clone(), holder, lease));
        }
        self.check().await?;
        let goes_away = std::mem::take(&mut *self.goes_away.lock().await);
        let intended = self.memory.intend(key, intent, holder, lease).await;
        *self.away.lock().await = goes_away;
        intended
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        self.check().await?;
        self.memory.settle(key, holder, outcome).await
    }

    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError> {
        self.check().await?;
        self.memory.finish(key, last).await
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        self.check().await?;
        self.memory.claim_unsettled(scope, holder, lease, at_most).await
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        self.check().await?;
        self.memory.entry(key).await
    }
}

fn builder(world: &World, journal: &Unreliable) -> DefenderClientBuilder {
    world.builder_over(world.emulator.transport()).journal(Arc::new(journal.clone()))
}

fn client(world: &World, journal: &Unreliable) -> DefenderClient {
    builder(world, journal).build().unwrap()
}

/// Drops an isolation after the service has accepted it.
async fn crash(world: &World, journal: &Unreliable) {
    world.emulator.fault(Fault::HangAfterEffect).on(Operation::Isolate).times(1);
    let client = client(world, journal);
    let isolate = client.machine(world.machine()).isolate("INC-1").key("k").valid_for(HOUR * 24).send();
    assert!(world.run_for(Duration::from_secs(1), isolate).await.is_none());
}

#[tokio::test]
async fn unreadable_list_leaves_the_entry_intended() {
    let world = World::new();
    let journal = Unreliable::new(&world);
    crash(&world, &journal).await;
    world.clock.advance(HOUR);
    let rule =
        world.emulator.fault(Fault::Status(403, defender_emulator::RetryAfter::Absent)).on(Operation::ListActions);
    let recovered = world.run(client(&world, &journal).recover_pending().send()).await.unwrap();
    let error = recovered[0].outcome.as_ref().unwrap_err();
    assert_eq!(error.reason(), Some(UnknownReason::NotReadable), "{error}");
    assert_eq!(journal.entry_of("k").await.outcome, None);

    rule.stop();
    world.clock.advance(HOUR);
    let recovered = world.run(client(&world, &journal).recover_pending().send()).await.unwrap();
    assert_eq!(recovered[0].outcome.as_ref().unwrap().origin(), Origin::Recovered);
}

#[tokio::test]
async fn lost_response_without_reads_is_recovered_later() {
    let world = World::new();
    let journal = Unreliable::new(&world);
    let rule =
        world.emulator.fault(Fault::Status(403, defender_emulator::RetryAfter::Absent)).on(Operation::ListActions);
    world.emulator.fault(Fault::ResetAfterEffect).on(Operation::Isolate).times(1);
    let isolate = client(&world, &journal).machine(world.machine()).isolate("INC-1").key("k").send();
    let error = world.run(isolate).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error}");
    assert_eq!(journal.entry_of("k").await.outcome, None);
    rule.stop();
    world.clock.advance(HOUR);
    let recovered = world.run(client(&world, &journal).recover_pending().send()).await.unwrap();
    assert_eq!(recovered[0].outcome.as_ref().unwrap().origin(), Origin::Recovered);
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn long_validity_does_not_lengthen_the_lease() {
    let world = World::new();
    let journal = Unreliable::new(&world);
    crash(&world, &journal).await; // its intent is valid for a day
    world.clock.advance(MINUTE * 20);
    let recovered = world.run(client(&world, &journal).recover_pending().send()).await.unwrap();
    assert_eq!(recovered.len(), 1);
}

#[tokio::test]
async fn failed_second_request_keeps_the_outcome_of_the_first() {
    let world = World::new();
    let journal = Unreliable::new(&world);
    let client = client(&world, &journal);
    let isolate = || client.machine(world.machine()).isolate("INC-1").key("k").send();
    *journal.goes_away.lock().await = true;
    let first = world.run(isolate()).await.unwrap_err();
    assert_eq!((first.kind(), first.action().is_some()), (ErrorKind::Journal, true), "{first}");
    let second = world.run(isolate()).await.unwrap_err();
    assert_eq!((second.kind(), second.never_sent()), (ErrorKind::Journal, true), "{second}");

    journal.set_away(false).await;
    let recovered = world.run(client.recover_pending().send()).await.unwrap();
    assert_eq!(recovered[0].outcome.as_ref().unwrap().origin(), Origin::Created, "this process knows the outcome");
    assert!(matches!(journal.entry_of("k").await.outcome, Some(Settlement::Submitted { .. })));
    assert_eq!(world.ledger().len(), 1);
}

#[tokio::test]
async fn late_intent_of_a_failed_call_is_settled_as_not_sent() {
    let world = World::new();
    let journal = Unreliable::new(&world);
    let client = client(&world, &journal);
    journal.set_away(true).await;
    let error = world.run(client.machine(world.machine()).isolate("INC-1").key("k").send()).await.unwrap_err();
    assert!(error.never_sent(), "{error}");
    journal.set_away(false).await;
    assert!(world.run(client.recover_pending().send()).await.unwrap().is_empty());
    // The database commits the intent after it was given up.
    let (key, intent, holder, lease) = journal.late.lock().await.take().unwrap();
    journal.memory.intend(&key, &intent, holder, lease).await.unwrap();
    assert!(world.run(client.recover_pending().send()).await.unwrap().is_empty());
    assert!(matches!(journal.entry_of("k").await.outcome, Some(Settlement::NotSent { .. })));
    assert_eq!(world.ledger().len(), 0);
}
