//! What a worker does for one step: asks, drops, recovers, waits, cancels, fetches; and writes down each word that it gets.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use defender_actions::{
    ActionRequest, DefenderClient, Error, ErrorKind, Intent, Submitted,
    model::{Action, ActionId, LiveResponseCommand, MachineAction, MachineId, ScanType, WithExternalId},
};
use defender_emulator::FastClock;
use defender_transport::{Clock, clock::Sleep};
use futures_util::{
    StreamExt, TryStreamExt,
    future::{Either, select},
};

use super::{
    journal::{Event, Known},
    order::Note,
    plan::{Stand, Step, Then, Verb},
    teller::{Teller, tell},
    wire::{POSTING, Posting, stand_still},
};
use crate::campaign::{canary::Canary, evidence::Said};

/// What is quarantined: any hash will do.
const HASH: &str = "87662bc3d60e4200ceaf7aae249d1c343f4b83c9";

/// How long a wait goes on. What waits for a machine that has left would wait for three days.
const PATIENCE: Duration = Duration::from_secs(600);

/// What all steps of a worker share.
#[derive(Debug)]
pub(super) struct Tasks {
    pub(super) defender: DefenderClient,
    pub(super) clock: FastClock,
    pub(super) teller: Arc<Teller>,
    pub(super) canary: Canary,
    /// How much of what it found is written down.
    pub(super) told: AtomicUsize,
    pub(super) machines: Vec<String>,
}

/// What became of an intent in a search for many.
#[derive(Debug)]
pub(super) enum Searched {
    Found(Box<Submitted>),
    NotFound,
}

impl Tasks {
    /// Looks for all whose process was killed, or whose future was dropped, in one search: the outcome by its tag.
    pub(super) async fn recover_all(&self, known: &BTreeMap<String, Known>) -> BTreeMap<String, Searched> {
        let unsettled = known.iter().filter(|(_, known)| matches!(known.said, None | Some(Said::Nothing)));
        let mut intents: Vec<_> =
            unsettled.filter_map(|(tag, known)| Some((tag.clone(), known.intent.clone()?))).collect();
        let mut found = BTreeMap::new();
        let search = self.defender.recover_all(intents.iter().map(|(_, intent)| intent.clone()));
        let mut outcomes = search.stream();
        while let Some((intent, outcome)) = outcomes.next().await {
            if let Some(place) = intents.iter().position(|(_, other)| *other == intent) {
                let (tag, _) = intents.swap_remove(place);
                let submitted = self.submitted(&tag, true, outcome).ok().map(Box::new);
                found.insert(tag, submitted.map_or(Searched::NotFound, Searched::Found));
            }
        }
        found
    }

    /// Does what is left of a step. `found` is what a search for all of them has come to.
    pub(super) async fn step(&self, step: Step, known: Known, found: Option<Searched>) {
        match found {
            Some(Searched::Found(submitted)) => {
                self.go_on(&step, &submitted, false).await;
                return self.look();
            }
            Some(Searched::NotFound) => return self.look(),
            None => {}
        }
        match (known.intent, known.said) {
            (None, _) => self.begin(&step).await,
            (Some(intent), None | Some(Said::Nothing)) => {
                // Its process was killed, or its future dropped: nobody knows what became of it.
                if let Some(submitted) = self.recover(&step.tag(), intent).await {
                    self.go_on(&step, &submitted, false).await;
                }
            }
            // It was taken, and the process was killed afterwards. An id is enough to wait on; a cancelling is not begun twice.
            (Some(_), Some(Said::Submitted { id, .. })) => {
                if let Ok(id) = id.parse::<ActionId>() {
                    self.wait(&step, &id, None).await;
                }
            }
            _ => {}
        }
        self.look();
    }

    /// Writes down what was caught.
    pub(super) fn look(&self) {
        let found = self.canary.found();
        let told = self.told.swap(found.len(), Ordering::Relaxed);
        for place in found.into_iter().skip(told) {
            self.teller.write(Event::Secret { place });
        }
    }

    async fn begin(&self, step: &Step) {
        self.clock.sleep(step.pause).await;
        let Some(Ok(id)) = self.machines.get(step.machine).map(|id| id.parse::<MachineId>()) else { return };
        if step.lists {
            self.list(&id).await;
        }
        let (machine, comment) = (self.defender.machine(id), step.comment.as_str());
        match step.verb {
            Verb::Restrict => self.ask(step, machine.restrict_code_execution(comment)).await,
            Verb::Unrestrict => self.ask(step, machine.unrestrict_code_execution(comment)).await,
            Verb::Isolate if step.particulars => self.ask(step, machine.isolate(comment).selective()).await,
            Verb::Isolate => self.ask(step, machine.isolate(comment)).await,
            Verb::Unisolate => self.ask(step, machine.unisolate(comment)).await,
            Verb::Scan => {
                let scan = if step.particulars { ScanType::Full } else { ScanType::Quick };
                self.ask(step, machine.run_antivirus_scan(comment, scan)).await;
            }
            Verb::Quarantine => {
                if let Ok(hash) = HASH.parse() {
                    self.ask(step, machine.stop_and_quarantine_file(comment, hash)).await;
                }
            }
            Verb::Collect => self.ask(step, machine.collect_investigation_package(comment)).await,
            Verb::Session => {
                let command = LiveResponseCommand::get_file("C:\\evidence.txt");
                self.ask(step, machine.run_live_response(comment, [command])).await;
            }
            Verb::Offboard => self.ask(step, machine.offboard(comment)).await,
        }
    }

    async fn ask<A: Action + WithExternalId>(&self, step: &Step, mut perform: ActionRequest<A>) {
        if let Some(id) = &step.external_id {
            perform = perform.external_id(id);
        }
        if step.resend_if_lost {
            perform = perform.resend_if_lost();
        }
        let tag = step.tag();
        let intent = match perform.intent() {
            Ok(intent) => intent,
            Err(error) => return self.said(&tag, false, self.error(&error)),
        };
        let (resend_if_lost, written) = (step.resend_if_lost, intent.clone());
        self.teller.write(Event::Intended { tag: tag.clone(), intent: written, resend_if_lost });
        if step.stand == Some(Stand::Written) {
            tell(&Note::Stands(Stand::Written));
            stand_still();
        }
        let asking = Box::pin(POSTING.scope(Posting::of(tag.clone(), step.stand), perform.send()));
        let never = || -> Sleep { Box::pin(std::future::pending()) };
        let dropped = step.dropped.map_or_else(never, |after| self.clock.sleep(after));
        let outcome = match select(asking, dropped).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), asking)) => {
                drop(asking);
                self.said(&tag, false, Said::Nothing);
                if let Some(submitted) = self.recover(&tag, intent).await {
                    self.go_on(step, &submitted, true).await;
                }
                return;
            }
        };
        match self.submitted(&tag, false, outcome) {
            Ok(submitted) => self.go_on(step, &submitted, true).await,
            // It may still appear, and its intent is all that is needed.
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown && step.number.is_multiple_of(2) => {
                if let Some(submitted) = self.recover(&tag, intent).await {
                    self.go_on(step, &submitted, true).await;
                }
            }
            Err(_) => {}
        }
    }

    async fn recover(&self, tag: &str, intent: Intent) -> Option<Submitted> {
        let outcome = self.defender.recover(intent).send().await;
        self.submitted(tag, true, outcome).ok()
    }

    async fn go_on(&self, step: &Step, submitted: &Submitted, may_cancel: bool) {
        match step.then {
            Then::Leave => {}
            Then::Cancel if may_cancel => {
                let tag = step.cancel_tag();
                self.teller.write(Event::Cancelling { tag: tag.clone(), id: submitted.id().to_string() });
                let cancel = submitted.cancel("No longer needed").even_if_not_ours();
                let outcome = POSTING.scope(Posting::of(tag.clone(), None), cancel.send()).await;
                let said = match &outcome {
                    Ok(action) => Said::Cancelled { id: self.record(action) },
                    Err(error) => self.error(error),
                };
                self.said(&tag, false, said);
                self.wait(step, submitted.id(), Some(submitted)).await;
            }
            Then::Cancel | Then::Wait | Then::Fetch => self.wait(step, submitted.id(), Some(submitted)).await,
        }
    }

    /// Waits for what was submitted, or, after a restart, for the id that was written down.
    async fn wait(&self, step: &Step, id: &ActionId, submitted: Option<&Submitted>) {
        if step.then == Then::Leave {
            return;
        }
        let wait = submitted.map_or_else(|| self.defender.action(id.clone()).wait(), Submitted::wait);
        let outcome = wait.at_most(PATIENCE).send().await;
        let said = match &outcome {
            Ok(action) => Said::Succeeded { id: self.record(action), of_submission: submitted.is_some() },
            Err(error) => match error.action().filter(|_| error.kind() == ErrorKind::ActionFailed) {
                Some(action) => {
                    self.canary.look_at_error("the error of a wait", error);
                    Said::Ended { id: self.record(action), status: action.status.as_str().to_owned() }
                }
                None => self.error(error),
            },
        };
        self.said(&step.tag(), false, said);
        if outcome.is_ok() && step.then == Then::Fetch && step.verb == Verb::Collect {
            self.fetch(id).await;
        }
    }

    /// Fetches what was collected. It is looked through for secrets and for nothing else.
    async fn fetch(&self, id: &ActionId) {
        let mut pieces = self.defender.action(id.clone()).package().into_stream();
        while let Some(piece) = pieces.next().await {
            if let Err(error) = piece {
                self.canary.look_at_error("the error of a download", &error);
            }
        }
    }

    async fn list(&self, machine: &MachineId) {
        let rows = self.defender.actions().filter(MachineAction::MACHINE_ID.eq(machine)).stream();
        let rows: Result<Vec<MachineAction>, Error> = pin!(rows).try_collect().await;
        match rows {
            Ok(rows) => self.canary.look_at("rows of a list", &rows),
            Err(error) => self.canary.look_at_error("the error of a list", &error),
        }
    }

    /// Writes down what became of a submission.
    fn submitted(&self, tag: &str, by_intent: bool, outcome: Result<Submitted, Error>) -> Result<Submitted, Error> {
        let said = match &outcome {
            Ok(submitted) => {
                self.canary.look_at("what was submitted", submitted);
                Said::from(submitted)
            }
            Err(error) => self.error(error),
        };
        self.said(tag, by_intent, said);
        outcome
    }

    fn said(&self, tag: &str, by_intent: bool, said: Said) {
        self.look();
        self.teller.write(Event::Said { tag: tag.to_owned(), by_intent, said });
    }

    fn error(&self, error: &Error) -> Said {
        self.canary.look_at_error("an error", error);
        Said::from(error)
    }

    fn record(&self, action: &MachineAction) -> String {
        self.canary.look_at("a record", action);
        action.id.as_str().to_owned()
    }
}
