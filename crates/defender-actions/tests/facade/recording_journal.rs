//! A journal that records its calls, and fails or hangs on request.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use defender_actions::{
    DefenderClient, DefenderClientBuilder, Entry, EntryKey, Holder, Intended, Intent, Journal, JournalError,
    JournalScope, MemoryJournal, Settled, Settlement, Unsettled,
    model::MachineAction,
    transport::{Clock, testing::ManualClock},
};

use crate::world::{HOUR, World};

/// Arguments of an intent.
type Arguments = (EntryKey, Intent, Holder, Duration);

/// Journal in memory that records its calls, and fails on request.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) memory: MemoryJournal,
    pub(crate) keys: Arc<Mutex<Vec<EntryKey>>>,
    intents: Arc<AtomicUsize>,
    fails: Arc<Mutex<Vec<&'static str>>>,
    hangs: Arc<Mutex<Vec<&'static str>>>,
    /// Arguments of the last intent that failed.
    failed: Arc<Mutex<Option<Arguments>>>,
    clock: ManualClock,
}

impl Recording {
    pub(crate) fn new(world: &World) -> Self {
        let memory = MemoryJournal::new(world.clock.clone());
        let clock = world.clock.clone();
        let (keys, intents, failed) = (Arc::default(), Arc::default(), Arc::default());
        let (fails, hangs) = (Arc::default(), Arc::default());
        Self { memory, keys, intents, fails, hangs, failed, clock }
    }

    /// Lets the next calls of these methods fail.
    pub(crate) fn failing(self, methods: impl IntoIterator<Item = &'static str>) -> Self {
        self.fails.lock().unwrap().extend(methods);
        self
    }

    /// Lets the next calls of these methods take effect and never return.
    pub(crate) fn hanging(self, methods: impl IntoIterator<Item = &'static str>) -> Self {
        self.hangs.lock().unwrap().extend(methods);
        self
    }

    /// Writes the last intent that failed, as a database that commits it late.
    pub(crate) async fn commit_late(&self) {
        let (key, intent, holder, lease) = self.failed.lock().unwrap().take().unwrap();
        self.memory.intend(&key, &intent, holder, lease).await.unwrap();
    }

    /// The entry with this key.
    pub(crate) async fn entry_of(&self, key: &str) -> Entry {
        self.memory.entry(&EntryKey::new(key).unwrap()).await.unwrap().unwrap()
    }

    async fn hang(&self, method: &'static str) {
        let hangs = {
            let mut hangs = self.hangs.lock().unwrap();
            let index = hangs.iter().position(|name| *name == method);
            index.map(|index| hangs.remove(index)).is_some()
        };
        if hangs {
            self.clock.sleep(HOUR * 1_000).await;
        }
    }

    fn fail(&self, method: &'static str) -> Result<(), JournalError> {
        let mut fails = self.fails.lock().unwrap();
        match fails.iter().position(|name| *name == method) {
            Some(index) => {
                fails.remove(index);
                Err(JournalError::new("the disk of the journal is full; free some space"))
            }
            None => Ok(()),
        }
    }

    /// The only entry.
    pub(crate) async fn only(&self) -> Entry {
        let keys = self.keys.lock().unwrap().clone();
        assert_eq!(keys.len(), 1, "{keys:?}");
        self.memory.entry(&keys[0]).await.unwrap().unwrap()
    }

    pub(crate) fn intents(&self) -> usize {
        self.intents.load(Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl Journal for Recording {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        if let Err(error) = self.fail("intend") {
            *self.failed.lock().unwrap() = Some((key.clone(), intent.clone(), holder, lease));
            return Err(error);
        }
        self.intents.fetch_add(1, Ordering::SeqCst);
        let intended = self.memory.intend(key, intent, holder, lease).await?;
        if intended == Intended::New {
            self.keys.lock().unwrap().push(key.clone());
        }
        self.hang("intend").await;
        Ok(intended)
    }

    async fn may_resend(&self, key: &EntryKey) -> Result<(), JournalError> {
        self.fail("may_resend")?;
        self.memory.may_resend(key).await
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        self.fail("settle")?;
        self.hang("settle").await;
        self.memory.settle(key, holder, outcome).await
    }

    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError> {
        self.fail("finish")?;
        self.hang("finish").await;
        self.memory.finish(key, last).await
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        self.fail("claim_unsettled")?;
        self.hang("claim_unsettled").await;
        self.memory.claim_unsettled(scope, holder, lease, at_most).await
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        self.hang("entry").await;
        self.memory.entry(key).await
    }
}

pub(crate) fn builder(world: &World, journal: &Recording) -> DefenderClientBuilder {
    world.builder_over(world.emulator.transport()).journal(Arc::new(journal.clone()))
}

pub(crate) fn client(world: &World, journal: &Recording) -> DefenderClient {
    builder(world, journal).build().unwrap()
}
