//! The actions of all machines.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::machine_action::{MachineAction, Pace};

/// The actions of all machines.
#[derive(Debug)]
pub(crate) struct Actions {
    pub(crate) pace: Pace,
    store: Mutex<Store>,
}

#[derive(Debug, Default)]
struct Store {
    by_id: HashMap<String, MachineAction>,
    /// The id of the youngest, by machine and type. It alone can be active: while it is, no other is made.
    youngest: HashMap<(&'static str, &'static str), String>,
}

impl Actions {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, store: Mutex::default() }
    }

    /// Keeps `action`, unless one of its type is active on its machine at `elapsed`; says whether it was kept.
    pub(crate) fn insert(&self, action: MachineAction, elapsed: Duration) -> bool {
        let mut store = self.locked();
        let place = (action.machine_id, action.kind.word);
        let earlier = store.youngest.get(&place).and_then(|id| store.by_id.get(id));
        if earlier.is_some_and(|earlier| earlier.is_active(self.pace, elapsed)) {
            return false;
        }
        store.youngest.insert(place, action.id.clone());
        store.by_id.insert(action.id.clone(), action);
        true
    }

    pub(crate) fn get(&self, id: &str) -> Option<MachineAction> {
        self.locked().by_id.get(id).cloned()
    }

    fn locked(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
