//! The world of a worker, which writes down each word that it gets.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use defender_actions::{
    Error, Intent,
    model::{ActionId, MachineAction, MachineId, Sha1},
};
use defender_emulator::FastClock;
use defender_transport::{Clock, clock::Sleep};
use futures_util::TryStreamExt;

use super::{
    journal::{Event, Journal, Known, tell},
    notes::Note,
    plan::{self, Stand},
    wire::{POSTING, Posting, stand_still},
};
use crate::{
    canary::Canary,
    evidence::Said,
    flow::{self, Numbered, Stage, Written},
    plan::{Beside, Step},
};

/// No step waits for longer before it looks for what it lost.
const LONGEST: Duration = Duration::from_secs(600);

/// State that all steps of a worker share.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) seed: u64,
    pub(super) clock: FastClock,
    pub(super) journal: Arc<Journal>,
    pub(super) canary: Canary,
    pub(super) machines: Vec<MachineId>,
    pub(super) file: Sha1,
    /// Number of the canary's findings that are written down.
    pub(super) told: AtomicUsize,
    /// Actions to be waited for together.
    pub(super) together: Mutex<Vec<ActionId>>,
}

impl Stage for Worker {
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
        POSTING.scope(Posting::of(tag.to_owned(), plan::stand(self.seed, tag)), future)
    }

    fn asks(&self, tag: &str, _: u32, intent: &Intent, resend_if_lost: bool) {
        self.canary.look_at("an intent", intent);
        self.journal.write(Event::Intended { tag: tag.to_owned(), intent: intent.clone(), resend_if_lost });
        if plan::stand(self.seed, tag) == Some(Stand::Written) {
            tell(&Note::Stands(Stand::Written));
            stand_still();
        }
    }

    fn said(&self, tag: &str, _: u32, by_intent: bool, said: Said) {
        self.look();
        self.journal.write(Event::Said { tag: tag.to_owned(), by_intent, said });
    }

    // What was asked for and what was said is in the journal already.
    fn write(&self, _: usize, _: &str, _: Written) {}

    fn forget(&self, _: usize, _: &str) {}

    fn leave(&self, _: usize, id: ActionId) {
        self.together.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    fn broken(&self, why: String) {
        self.journal.write(Event::Broken { why });
    }
}

impl Worker {
    /// Does what is left of a step, of which an earlier process knew this, if it was begun.
    pub(super) async fn step(self: Arc<Self>, step: Step, by: Numbered, known: Option<Known>) {
        match known {
            None => {
                self.clock.sleep(step.gap).await;
                if step.number.is_multiple_of(4) {
                    self.list(&step, &by).await;
                }
                let together = (step.beside == Beside::WaitForAll).then_some(step.number);
                let recovers_after = step.recovers_after.map(|after| after.min(LONGEST));
                flow::step(Arc::clone(&self), Step { recovers_after, ..step }, by.clone()).await;
                if let Some(number) = together {
                    Arc::clone(&self).wait_together(number, by).await;
                }
            }
            Some(Known::Open(written)) => flow::resume(Arc::clone(&self), 0, step.tag(), by, written).await,
            Some(Known::Settled) => {}
        }
        self.look();
    }

    /// Waits for all that was left to be waited for.
    pub(super) async fn wait_together(self: Arc<Self>, number: u32, by: Numbered) {
        let ids = std::mem::take(&mut *self.together.lock().unwrap_or_else(PoisonError::into_inner));
        flow::wait_together(self, format!("w{number}"), by, ids).await;
    }

    /// Writes down what was caught.
    pub(super) fn look(&self) {
        let found = self.canary.found();
        let told = self.told.swap(found.len(), Ordering::Relaxed);
        for place in found.into_iter().skip(told) {
            self.journal.write(Event::Secret { place });
        }
    }

    /// Lists the actions of the step's machine.
    async fn list(&self, step: &Step, by: &Numbered) {
        let Some(machine) = self.machine(step.machine) else { return };
        let rows = by.client.actions().filter(MachineAction::MACHINE_ID.eq(machine)).stream();
        let rows: Result<Vec<MachineAction>, Error> = pin!(rows).try_collect().await;
        match rows {
            Ok(rows) => self.canary.look_at("rows of a list", &rows),
            Err(error) => self.canary.look_at_error("the error of a list", &error),
        }
    }
}
