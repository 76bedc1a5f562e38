//! The states of entries: the table of [`Journal`](crate::Journal), in memory.

use std::{
    collections::{BTreeMap, btree_map},
    time::Duration,
};

use defender_model::MachineAction;

use super::entry::{Entry, EntryKey, Holder, Intended, JournalScope, Settled, Settlement, Unsettled};
use crate::Intent;

/// Entries by key.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<EntryKey, Row>,
    /// Entry of each action that was created or recovered.
    claims: BTreeMap<(Option<JournalScope>, String), EntryKey>,
}

#[derive(Debug)]
struct Row {
    entry: Entry,
    /// Holder, and the end of its lease. `None` for an entry that an earlier process left.
    lease: Option<(Holder, Duration)>,
    tries: u32,
}

impl Table {
    pub(super) fn intend(&mut self, key: &EntryKey, intent: &Intent, lease: Option<(Holder, Duration)>) -> Intended {
        let row = || Row { entry: Entry::new(intent.clone(), None, None), lease, tries: 0 };
        match self.rows.entry(key.clone()) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(row());
                Intended::New
            }
            btree_map::Entry::Occupied(mut occupied) => {
                let there = occupied.get();
                match &there.entry.outcome {
                    Some(outcome) if outcome.is_without_effect() => {
                        occupied.insert(row());
                        Intended::New
                    }
                    None if there.is_held_by(lease.map(|(holder, _)| holder)) => Intended::Mine,
                    _ => Intended::Existing(Box::new(there.entry.clone())),
                }
            }
        }
    }

    /// Writes an outcome. `holder` is `None` for an outcome that is read from a file.
    pub(super) fn settle(&mut self, key: &EntryKey, holder: Option<Holder>, outcome: &Settlement) -> Settled {
        let Some(row) = self.rows.get_mut(key) else { return Settled::NotHeld };
        let is_submitted = matches!(outcome, Settlement::Submitted { .. });
        match &row.entry.outcome {
            Some(there) if there == outcome => return Settled::Done,
            Some(Settlement::Unknown { .. }) if is_submitted => {}
            Some(there) => return Settled::Superseded(there.clone()),
            None if is_submitted || holder.is_none() || row.is_held_by(holder) => {}
            None => return Settled::NotHeld,
        }
        if let Some(action) = outcome.claimed_action() {
            let claim = (JournalScope::of(&row.entry.intent), action.as_str().to_ascii_lowercase());
            match self.claims.entry(claim) {
                btree_map::Entry::Occupied(claimed) if claimed.get() != key => {
                    return Settled::ClaimedBy(claimed.get().clone());
                }
                btree_map::Entry::Occupied(_) => {}
                btree_map::Entry::Vacant(vacant) => drop(vacant.insert(key.clone())),
            }
        }
        row.entry.outcome = Some(outcome.clone());
        Settled::Done
    }

    /// Writes the last record. Returns false if nothing changed.
    pub(super) fn finish(&mut self, key: &EntryKey, last: &MachineAction) -> bool {
        let Some(row) = self.rows.get_mut(key) else { return false };
        if row.entry.last.as_ref() == Some(last) {
            return false;
        }
        row.entry.last = Some(last.clone());
        true
    }

    pub(super) fn claim(
        &mut self,
        scope: &JournalScope,
        (holder, lease_until): (Holder, Duration),
        now: Duration,
        at_most: usize,
    ) -> Vec<Unsettled> {
        let is_free = |row: &Row| {
            row.entry.outcome.is_none()
                && row.lease.is_none_or(|(_, until)| until <= now)
                && JournalScope::of(&row.entry.intent).as_ref() == Some(scope)
        };
        let mut free: Vec<_> = self.rows.iter_mut().filter(|(_, row)| is_free(row)).collect();
        free.sort_by_key(|(_, row)| row.lease.map(|(_, until)| until));
        let claimed = free.into_iter().take(at_most).map(|(key, row)| {
            row.lease = Some((holder, lease_until));
            row.tries = row.tries.saturating_add(1);
            Unsettled::new(key.clone(), row.entry.intent.clone(), row.tries)
        });
        claimed.collect()
    }

    pub(super) fn entry(&self, key: &EntryKey) -> Option<Entry> {
        self.rows.get(key).map(|row| row.entry.clone())
    }
}

impl Row {
    fn is_held_by(&self, holder: Option<Holder>) -> bool {
        self.lease.map(|(there, _)| there) == holder && holder.is_some()
    }
}
