//! The actions of all machines, and what finds them fast.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    life::{Outcome, Pace},
    machine_action::{Cancellation, MachineAction},
};

/// The actions of all machines, in the order in which they were made.
///
/// A list of a few may be asked of a million, so that each way to ask has an index: by id, by machine, by type, by what
/// has ended how, and by what has not ended. Time is by the order itself: no action is dated before the one before it.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    all: Vec<MachineAction>,
    by_id: HashMap<Uuid, usize>,
    by_machine: HashMap<Arc<str>, Vec<usize>>,
    by_type: HashMap<&'static str, Vec<usize>>,
    ended: HashMap<&'static str, BTreeSet<usize>>,
    /// What had not ended when the clock was last looked at, by when it will.
    due: BTreeSet<(Duration, usize)>,
    /// The same, by machine and type.
    busy: BTreeSet<(usize, &'static str, usize)>,
    unfinished: BTreeSet<usize>,
}

impl Actions {
    /// How many there are; also the number of the next.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// `time`, or the creation of the youngest, if that is later.
    pub(crate) fn not_before_the_last(&self, time: Timestamp, digits: u8) -> (Timestamp, u8) {
        match self.all.last() {
            Some(last) if last.created > time => (last.created, last.digits),
            _ => (time, digits),
        }
    }

    pub(crate) fn insert(&mut self, action: MachineAction) {
        let number = self.all.len();
        self.by_id.insert(action.id, number);
        self.by_machine.entry(Arc::clone(&action.machine_id)).or_default().push(number);
        self.by_type.entry(action.kind.word).or_default().push(number);
        self.due.insert((action.life.ends(), number));
        self.busy.insert((action.machine, action.kind.word, number));
        self.unfinished.insert(number);
        self.all.push(action);
    }

    /// Notes what has ended by `elapsed`.
    pub(crate) fn settle(&mut self, elapsed: Duration) {
        while let Some(&(ends, number)) = self.due.first()
            && ends <= elapsed
        {
            self.due.pop_first();
            self.unfinished.remove(&number);
            if let Some(action) = self.all.get(number) {
                self.busy.remove(&(action.machine, action.kind.word, number));
                self.ended.entry(action.life.last_status()).or_default().insert(number);
            }
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&MachineAction> {
        self.all.get(self.number(id)?)
    }

    pub(crate) fn number(&self, id: &str) -> Option<usize> {
        self.by_id.get(&id.parse::<Uuid>().ok()?).copied()
    }

    /// The youngest action of that type on that machine which has not ended.
    pub(crate) fn active(&mut self, machine: usize, word: &'static str, elapsed: Duration) -> Option<&MachineAction> {
        self.settle(elapsed);
        let (_, _, number) = *self.busy.range((machine, word, 0)..=(machine, word, usize::MAX)).next_back()?;
        self.all.get(number)
    }

    /// How many actions of that type have not ended.
    pub(crate) fn count_active(&mut self, word: &'static str, elapsed: Duration) -> usize {
        self.settle(elapsed);
        self.unfinished
            .iter()
            .filter(|number| self.all.get(**number).is_some_and(|action| action.kind.word == word))
            .count()
    }

    /// Ends the action at `elapsed`, unless it has ended; gives it as it then is.
    pub(crate) fn cancel(
        &mut self,
        id: &str,
        elapsed: Duration,
        cancellation: Cancellation,
    ) -> Result<Option<&MachineAction>, &'static str> {
        self.settle(elapsed);
        let Some(number) = self.number(id) else { return Ok(None) };
        let Some(action) = self.all.get_mut(number) else { return Ok(None) };
        if !action.life.is_active(elapsed) {
            return Err(action.life.last_status());
        }
        self.due.remove(&(action.life.ends(), number));
        action.life.cancel(elapsed);
        action.cancellation = Some(Box::new(cancellation));
        self.due.insert((elapsed, number));
        self.settle(elapsed);
        Ok(self.all.get(number))
    }

    /// Lets go on what waited for this machine.
    pub(crate) fn resume(&mut self, machine: usize, elapsed: Duration, pace: Pace) {
        self.settle(elapsed);
        for &number in &self.unfinished {
            let Some(action) = self.all.get_mut(number) else { continue };
            if action.machine == machine && action.life.waits() {
                self.due.remove(&(action.life.ends(), number));
                action.life.resume(elapsed, pace);
                self.due.insert((action.life.ends(), number));
            }
        }
    }

    /// Of the actions of these types on that machine that have succeeded, the one that did so last.
    pub(crate) fn last_success(&self, machine: &str, words: &[&str], elapsed: Duration) -> Option<&MachineAction> {
        let numbers = self.by_machine.get(machine)?;
        let actions = numbers.iter().filter_map(|number| self.all.get(*number));
        actions
            .filter(|action| words.contains(&action.kind.word))
            .filter(|action| action.life.outcome() == Outcome::Succeeded && !action.life.is_active(elapsed))
            .max_by_key(|action| action.life.ends())
    }

    /// The action of this number.
    pub(crate) fn nth(&self, number: usize) -> Option<&MachineAction> {
        self.all.get(number)
    }

    /// The numbers of what was made in `from` or later, and before `until`.
    pub(crate) fn made(&self, from: Option<Timestamp>, until: Option<Timestamp>) -> Range<usize> {
        let before = |time: Timestamp| self.all.partition_point(|action| action.created < time);
        from.map_or(0, before)..until.map_or(self.all.len(), before)
    }

    pub(crate) fn of_machine(&self, id: &str) -> &[usize] {
        self.by_machine.get(id).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn of_type(&self, word: &str) -> &[usize] {
        self.by_type.get(word).map_or(&[], Vec::as_slice)
    }

    /// What may have this status, after [`settle`](Self::settle): what has ended so, or all that has not ended.
    pub(crate) fn with_status(&self, status: &str) -> Option<&BTreeSet<usize>> {
        match status {
            "Pending" | "InProgress" => Some(&self.unfinished),
            ended => self.ended.get(ended),
        }
    }
}
