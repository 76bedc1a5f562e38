//! The actions of all machines, and what finds them fast.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
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
/// A list of a few may be asked of a million, so that each way to ask has an index: by id, by machine, by type, by both, by
/// requestor, by what has ended how and when it changed last, and by what has not ended. Time is by the order itself: no
/// action is dated before the one before it.
#[derive(Debug, Default)]
pub(crate) struct Actions {
    all: Vec<MachineAction>,
    by_id: HashMap<Uuid, usize>,
    by_machine: HashMap<Arc<str>, OfMachine>,
    by_type: HashMap<Box<str>, Vec<usize>>,
    by_requestor: HashMap<Arc<str>, Vec<usize>>,
    ended: HashMap<Box<str>, BTreeSet<usize>>,
    /// What has ended, by when it changed last.
    changed: BTreeSet<(Timestamp, Reverse<usize>)>,
    /// What had not ended when the clock was last looked at, by when it will.
    due: BTreeSet<(Duration, usize)>,
    /// The same, by machine and type.
    busy: BTreeSet<(usize, &'static str, usize)>,
    unfinished: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct OfMachine {
    all: Vec<usize>,
    by_type: HashMap<Box<str>, Vec<usize>>,
    /// Of each type, the action that succeeded last, and when.
    successes: HashMap<&'static str, (Duration, usize)>,
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

    pub(crate) fn insert(&mut self, mut action: MachineAction) {
        let number = self.all.len();
        action.number = number;
        self.by_id.insert(action.id, number);
        let of_machine = self.by_machine.entry(Arc::clone(&action.machine_id)).or_default();
        of_machine.all.push(number);
        push(&mut of_machine.by_type, action.word.as_str(), number);
        push(&mut self.by_type, action.word.as_str(), number);
        self.by_requestor.entry(Arc::clone(&action.requestor)).or_default().push(number);
        let told = action.told.as_deref().and_then(|told| told.status.as_deref());
        if let Some(status) = told {
            // It stays as it is, so that nothing is due.
            self.ended.entry(status.into()).or_default().insert(number);
            self.changed.insert((action.updated(Duration::ZERO), Reverse(number)));
        } else {
            self.due.insert((action.life.ends(), number));
            self.busy.extend(action.word.known().map(|word| (action.machine, word, number)));
            self.unfinished.insert(number);
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
            self.unfinished.remove(&number);
            let Some(action) = self.all.get(number) else { continue };
            let status = action.life.last_status();
            match self.ended.get_mut(status) {
                Some(ended) => ended.insert(number),
                None => self.ended.entry(status.into()).or_default().insert(number),
            };
            self.changed.insert((action.updated(elapsed), Reverse(number)));
            let Some(word) = action.word.known() else { continue };
            self.busy.remove(&(action.machine, word, number));
            if action.life.outcome() == Outcome::Succeeded
                && let Some(of_machine) = self.by_machine.get_mut(&action.machine_id)
            {
                let last = of_machine.successes.entry(word).or_default();
                *last = (*last).max((ends, number));
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

    /// The youngest action of that type on that machine, ended or not.
    pub(crate) fn last(&self, machine: &str, word: &str) -> Option<&MachineAction> {
        self.all.get(*self.of_machine_and_type(machine, word).last()?)
    }

    /// How many actions of that type have not ended.
    pub(crate) fn count_active(&mut self, word: &'static str, elapsed: Duration) -> usize {
        self.settle(elapsed);
        self.busy.iter().filter(|(_, busy, _)| *busy == word).count()
    }

    /// Ends the action at `elapsed`, unless it has ended; gives it as it then is.
    pub(crate) fn cancel(
        &mut self,
        id: &str,
        elapsed: Duration,
        cancellation: Cancellation,
    ) -> Result<Option<&MachineAction>, String> {
        self.settle(elapsed);
        let Some(number) = self.number(id) else { return Ok(None) };
        let Some(action) = self.all.get_mut(number) else { return Ok(None) };
        if !self.unfinished.contains(&number) {
            return Err(action.status(elapsed).to_owned());
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

    /// Of the actions of these types on that machine that have succeeded, the one that did so last, after
    /// [`settle`](Self::settle).
    pub(crate) fn last_success(&self, machine: &str, words: &[&'static str]) -> Option<&MachineAction> {
        let successes = &self.by_machine.get(machine)?.successes;
        let (_, number) = words.iter().filter_map(|word| successes.get(word)).max()?;
        self.all.get(*number)
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

    /// How many of the oldest reads and lists know of.
    pub(crate) fn visible(&self, elapsed: Duration, read_lag: Duration) -> usize {
        self.all.partition_point(|action| action.is_visible(elapsed, read_lag))
    }

    pub(crate) fn of_machine(&self, id: &str) -> &[usize] {
        self.by_machine.get(id).map_or(&[], |of_machine| of_machine.all.as_slice())
    }

    pub(crate) fn of_machine_and_type(&self, id: &str, word: &str) -> &[usize] {
        let of_machine = self.by_machine.get(id);
        of_machine.and_then(|of_machine| of_machine.by_type.get(word)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn of_type(&self, word: &str) -> &[usize] {
        self.by_type.get(word).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn of_requestor(&self, requestor: &str) -> &[usize] {
        self.by_requestor.get(requestor).map_or(&[], Vec::as_slice)
    }

    /// What may have this status, after [`settle`](Self::settle): what has ended so, or all that has not ended.
    pub(crate) fn with_status(&self, status: &str) -> Option<&BTreeSet<usize>> {
        match status {
            "Pending" | "InProgress" => Some(&self.unfinished),
            ended => self.ended.get(ended),
        }
    }

    /// All numbers by when they changed last, the earliest first, and of those that changed at once the youngest first;
    /// after [`settle`](Self::settle).
    pub(crate) fn by_change(&self, elapsed: Duration, from: Option<Timestamp>) -> ByChange<'_> {
        let from = from.unwrap_or(Timestamp::MIN);
        let moving = self.unfinished.iter().filter_map(|number| {
            let updated = self.all.get(*number)?.updated(elapsed);
            (updated >= from).then_some((updated, Reverse(*number)))
        });
        let mut moving: Vec<_> = moving.collect();
        moving.sort_unstable();
        ByChange { ended: self.changed.range((from, Reverse(usize::MAX))..), moving: moving.into() }
    }
}

/// What has ended and what has not, as one list in the order of the last change, from either side.
#[derive(Debug)]
pub(crate) struct ByChange<'a> {
    ended: std::collections::btree_set::Range<'a, (Timestamp, Reverse<usize>)>,
    moving: std::collections::VecDeque<(Timestamp, Reverse<usize>)>,
}

impl ByChange<'_> {
    pub(crate) fn earliest(&mut self) -> Option<usize> {
        let ended = self.ended.clone().next();
        let moving = self.moving.front();
        let Reverse(number) = match (ended, moving) {
            (Some(ended), Some(moving)) if moving < ended => self.moving.pop_front()?.1,
            (None, Some(_)) => self.moving.pop_front()?.1,
            _ => self.ended.next()?.1,
        };
        Some(number)
    }

    pub(crate) fn latest(&mut self) -> Option<usize> {
        let ended = self.ended.clone().next_back();
        let moving = self.moving.back();
        let Reverse(number) = match (ended, moving) {
            (Some(ended), Some(moving)) if moving > ended => self.moving.pop_back()?.1,
            (None, Some(_)) => self.moving.pop_back()?.1,
            _ => self.ended.next_back()?.1,
        };
        Some(number)
    }
}

fn push(lists: &mut HashMap<Box<str>, Vec<usize>>, key: &str, number: usize) {
    match lists.get_mut(key) {
        Some(list) => list.push(number),
        None => lists.entry(key.into()).or_default().push(number),
    }
}
