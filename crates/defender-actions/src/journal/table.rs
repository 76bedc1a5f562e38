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
            Some(there) if is_submitted && !matches!(there, Settlement::Submitted { .. }) => {}
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

    pub(super) fn outcome(&self, key: &EntryKey) -> Option<&Settlement> {
        self.rows.get(key)?.entry.outcome.as_ref()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Origin;

    fn intended() -> (Table, EntryKey, Holder) {
        let (mut table, key, holder) = (Table::default(), EntryKey::generate(), Holder::generate());
        let valid = (jiff::Timestamp::UNIX_EPOCH, Duration::from_secs(300));
        let intent = Intent::new("m1".parse().unwrap(), "Isolate", json!({"Comment": "c"}), false, valid);
        table.intend(&key, &intent, Some((holder, Duration::from_secs(60))));
        (table, key, holder)
    }

    fn submitted(origin: Origin, id: &str) -> Settlement {
        let action = serde_json::from_value(json!({"id": id, "type": "Isolate", "status": "Pending"})).unwrap();
        Settlement::Submitted { origin, action: Box::new(action) }
    }

    fn unknown() -> Settlement {
        Settlement::Unknown { error: "outcome unknown".to_owned() }
    }

    #[test]
    fn knowledge_wins() {
        let (mut table, key, holder) = intended();
        let other = Some(Holder::generate());
        assert_eq!(table.settle(&key, other, &unknown()), Settled::NotHeld);
        assert_eq!(table.settle(&key, Some(holder), &unknown()), Settled::Done);
        let found = submitted(Origin::Recovered, "a");
        assert_eq!(table.settle(&key, other, &found), Settled::Done, "also from another holder");
        assert_eq!(table.settle(&key, Some(holder), &unknown()), Settled::Superseded(found.clone()));
        assert_eq!(table.settle(&key, Some(holder), &found), Settled::Done, "a repeat");
        assert_eq!(table.settle(&EntryKey::generate(), Some(holder), &found), Settled::NotHeld);
    }

    #[test]
    fn joined_action_is_shared() {
        let (mut table, key, holder) = intended();
        assert_eq!(table.settle(&key, Some(holder), &submitted(Origin::Created, "a")), Settled::Done);
        for (origin, settled) in [(Origin::Joined, Settled::Done), (Origin::Recovered, Settled::ClaimedBy(key))] {
            let (other, _, _) = intended();
            let (next, row) = other.rows.into_iter().next().unwrap();
            table.rows.insert(next.clone(), row);
            assert_eq!(table.settle(&next, None, &submitted(origin, "A")), settled);
        }
    }

    #[test]
    fn oldest_lease_is_claimed_first() {
        let scope = JournalScope::new("api", "t");
        let mut table = Table::default();
        let valid = (jiff::Timestamp::UNIX_EPOCH, Duration::from_secs(300));
        let mut intent = Intent::new("m1".parse().unwrap(), "Isolate", json!({}), false, valid);
        (intent.api, intent.tenant_id) = (Some("api".to_owned()), Some("t".to_owned()));
        let keys = [("a", 30), ("b", 10), ("c", 20)].map(|(name, seconds)| {
            let key = EntryKey::new(name).unwrap();
            table.intend(&key, &intent, Some((Holder::generate(), Duration::from_secs(seconds))));
            key
        });
        let holder = (Holder::generate(), Duration::from_secs(90));
        let mut claim = |at: u64, most| -> Vec<_> {
            let claimed = table.claim(&scope, holder, Duration::from_secs(at), most);
            claimed.into_iter().map(|entry| (entry.key, entry.tries)).collect()
        };
        assert_eq!(claim(9, 9), []);
        assert_eq!(claim(25, 1), [(keys[1].clone(), 1)]);
        assert_eq!(claim(25, 9), [(keys[2].clone(), 1)]);
        assert_eq!(claim(90, 9), [(keys[0].clone(), 1), (keys[1].clone(), 2), (keys[2].clone(), 2)]);
        assert_eq!(table.claim(&JournalScope::new("api", "u"), holder, Duration::MAX, 9), []);
    }
}
