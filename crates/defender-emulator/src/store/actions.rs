//! The actions of all machines.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use uuid::Uuid;

use crate::store::{
    action::{Cancellation, MachineAction},
    lifecycle::{Outcome, Pace},
};

/// The actions of all machines, in the order in which they were made.
///
/// No action is dated before the one before it. Lists go through all of them.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    all: Vec<MachineAction>,
    by_id: HashMap<Uuid, usize>,
    /// Of each machine and type, the action that succeeded last, and when.
    successes: HashMap<(usize, &'static str), (Duration, Option<Timestamp>, usize)>,
    /// The actions that had not ended when the clock was last read, by their ends.
    due: BTreeSet<(Duration, usize)>,
    /// The same, by machine and type.
    busy: BTreeSet<(usize, &'static str, usize)>,
}

impl Actions {
    /// Returns the number of actions, which is also the number of the next.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The actions, the oldest first.
    pub(crate) fn all(&self) -> &[MachineAction] {
        &self.all
    }

    /// `time`, or the creation of the youngest, if that is later.
    pub(crate) fn not_before_the_last(&self, time: Timestamp, digits: u8) -> (Timestamp, u8) {
        match self.all.last() {
            Some(last) if last.created > time => (last.created, last.digits),
            _ => (time, digits),
        }
    }

    pub(crate) fn insert(&mut self, mut action: MachineAction) {
        let number = self.all.len();
        action.number = number;
        self.by_id.insert(action.id, number);
        // A status of the initial state stays as it is, so that nothing is due.
        if action.given.as_deref().is_none_or(|given| given.status.is_none()) {
            self.due.insert((action.life.ends(), number));
            self.busy.extend(action.type_name.known().map(|type_name| (action.machine, type_name, number)));
        }
        self.all.push(action);
    }

    /// Adds these, each where its date belongs.
    pub(crate) fn extend(&mut self, more: Vec<MachineAction>, elapsed: Duration) {
        let mut all = std::mem::take(self).all;
        all.extend(more);
        all.sort_by_key(|action| action.created);
        for action in all {
            self.insert(action);
        }
        self.settle(elapsed);
    }

    /// Notes what has ended by `elapsed`.
    pub(crate) fn settle(&mut self, elapsed: Duration) {
        while let Some(&(ends, number)) = self.due.first()
            && ends <= elapsed
        {
            self.due.pop_first();
            let Some(action) = self.all.get(number) else { continue };
            let Some(type_name) = action.type_name.known() else { continue };
            self.busy.remove(&(action.machine, type_name, number));
            if action.life.outcome() == Outcome::Succeeded {
                let last = self.successes.entry((action.machine, type_name)).or_default();
                // Those of the initial state have all ended when the emulator starts, and keep their order.
                let given = action.given.as_ref().map(|given| given.updated);
                *last = (*last).max((ends, given, number));
            }
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&MachineAction> {
        self.all.get(self.number(id)?)
    }

    fn number(&self, id: &str) -> Option<usize> {
        self.by_id.get(&id.parse::<Uuid>().ok()?).copied()
    }

    /// The youngest action of that type on that machine which has not ended.
    pub(crate) fn active(
        &mut self,
        machine: usize,
        type_name: &'static str,
        elapsed: Duration,
    ) -> Option<&MachineAction> {
        self.settle(elapsed);
        let (_, _, number) =
            *self.busy.range((machine, type_name, 0)..=(machine, type_name, usize::MAX)).next_back()?;
        self.all.get(number)
    }

    /// The youngest action of that type on that machine, ended or not.
    pub(crate) fn last(&self, machine: usize, type_name: &str) -> Option<&MachineAction> {
        self.all.iter().rev().find(|action| action.machine == machine && action.type_name.as_str() == type_name)
    }

    /// Returns the number of active actions of that type.
    pub(crate) fn count_active(&mut self, type_name: &'static str, elapsed: Duration) -> usize {
        self.settle(elapsed);
        self.busy.iter().filter(|(_, busy, _)| *busy == type_name).count()
    }

    /// Cancels the action at `elapsed`, unless it has ended, and returns it.
    pub(crate) fn cancel(
        &mut self,
        id: &str,
        elapsed: Duration,
        cancellation: Cancellation,
    ) -> Result<Option<&MachineAction>, String> {
        self.settle(elapsed);
        let Some(number) = self.number(id) else { return Ok(None) };
        let Some(action) = self.all.get_mut(number) else { return Ok(None) };
        if !self.due.remove(&(action.life.ends(), number)) {
            return Err(action.status(elapsed).to_owned());
        }
        action.life.cancel(elapsed);
        action.cancellation = Some(Box::new(cancellation));
        self.due.insert((elapsed, number));
        self.settle(elapsed);
        Ok(self.all.get(number))
    }

    /// Starts the actions that waited for this machine.
    pub(crate) fn resume(&mut self, machine: usize, elapsed: Duration, pace: Pace) {
        self.settle(elapsed);
        for (ends, number) in self.due.clone() {
            let Some(action) = self.all.get_mut(number) else { continue };
            if action.machine == machine && action.life.resume(elapsed, pace) {
                self.due.remove(&(ends, number));
                self.due.insert((action.life.ends(), number));
            }
        }
    }

    /// Of the actions of these types on that machine that have succeeded, the one that did so last, after
    /// [`settle`](Self::settle).
    pub(crate) fn last_success(&self, machine: usize, words: &[&'static str]) -> Option<&MachineAction> {
        let (.., number) = words.iter().filter_map(|type_name| self.successes.get(&(machine, *type_name))).max()?;
        self.all.get(*number)
    }

    /// The oldest actions, as far as reads and lists know of them.
    pub(crate) fn visible(&self, elapsed: Duration, read_lag: Duration) -> &[MachineAction] {
        let visible = self.all.partition_point(|action| action.is_visible(elapsed, read_lag));
        self.all.get(..visible).unwrap_or_default()
    }
}
