//! The fold of a history of actions into the state of machines.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use defender_actions::{
    isolation_lapses_after,
    model::{ActionId, ActionStatus, ActionType, IsolationType, Machine, MachineAction, MachineId, OnboardingStatus},
};
use jiff::{SignedDuration, Timestamp};

use super::{
    change::{CHANGING, Change, stated},
    machine_state::{Isolation, MachineState, PendingChange, Restriction, StateNow},
};

impl StateNow {
    /// Computes the state of machines at `now` from the history of their actions, in any order. The records of the machines give their
    /// systems and names; a machine without a record is taken for one whose isolation stays.
    ///
    /// - An action takes effect when it ends as `Succeeded`. Actions that failed, timed out or were cancelled change nothing. A status that is
    ///   not known counts as pending.
    /// - Of two actions that overlap, the one that ended later decides; of two that ended at the same time, the one that was requested later.
    /// - A repeat of an isolation begins its seven days anew (inferred).
    /// - Two records of one action count once, and the newer one decides.
    /// - An isolation that states no type is a containment if its machine is not onboarded (inferred: no page states the `scope` of a
    ///   contained device).
    ///
    /// ```
    /// use defender_actions::model::{Machine, MachineAction};
    /// use defender_fleet::StateNow;
    ///
    /// let history: Vec<MachineAction> = serde_json::from_str(r#"[
    ///     {"id": "a", "type": "Isolate", "status": "Succeeded", "machineId": "m1", "scope": "Full",
    ///      "creationDateTimeUtc": "2026-01-01T10:00:00Z", "lastUpdateDateTimeUtc": "2026-01-01T10:05:00Z"},
    ///     {"id": "b", "type": "Unisolate", "status": "Failed", "machineId": "m1",
    ///      "creationDateTimeUtc": "2026-01-02T10:00:00Z", "lastUpdateDateTimeUtc": "2026-01-02T10:05:00Z"}
    /// ]"#)?;
    /// let machine: Machine = serde_json::from_str(r#"{"id": "m1", "osPlatform": "Ubuntu"}"#)?;
    ///
    /// let state = StateNow::fold(&history, [&machine], "2026-01-08T10:00:00Z".parse()?);
    /// assert!(state.machine("m1").unwrap().isolation.is_some());
    /// let state = StateNow::fold(&history, [&machine], "2026-01-08T10:05:00Z".parse()?);
    /// assert!(state.machine("m1").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fold<'a>(
        history: impl IntoIterator<Item = &'a MachineAction>,
        machines: impl IntoIterator<Item = &'a Machine>,
        now: Timestamp,
    ) -> Self {
        let mut changes = MachineChanges::default();
        for action in history {
            changes.add(action);
        }
        changes.state(machines, now)
    }
}

/// Changes of machines, added action by action, so that a long history is not held in memory as records.
#[derive(Debug, Default)]
pub(crate) struct MachineChanges {
    by_machine: BTreeMap<String, OfMachine>,
    /// Number of actions.
    actions: usize,
    oldest: Option<Box<MachineAction>>,
    /// Number of rows that could not be read.
    pub(crate) unreadable: usize,
}

#[derive(Debug)]
struct OfMachine {
    id: MachineId,
    name: Option<String>,
    changes: HashMap<String, Change>,
}

/// State of a machine, and the end of a former state.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Folded {
    pub(crate) isolation: Option<Isolation>,
    pub(crate) restriction: Option<Restriction>,
    /// Description of the end of the last isolation, if the history shows one and the machine is not isolated.
    pub(crate) released: Option<String>,
    /// The same of the last restriction.
    pub(crate) unrestricted: Option<String>,
    pub(crate) pending: Vec<PendingChange>,
    /// Last isolation or release.
    pub(crate) last_isolating: Option<LastChange>,
    /// Last restriction or removal of one.
    pub(crate) last_restricting: Option<LastChange>,
}

/// Last change of a state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LastChange {
    pub(crate) action_id: ActionId,
    action_type: ActionType,
    /// Action by which the machine was in the state already.
    pub(crate) before: Option<ActionId>,
}

impl LastChange {
    /// Replaces the last change. `has_lapsed` if the state of the earlier one had ended by itself.
    fn replace(last: &mut Option<Self>, effect: &Change, has_lapsed: bool) {
        let is_same = |last: &Self| last.action_type == effect.action_type && !has_lapsed;
        let before = last.take().filter(is_same).map(|last| last.action_id);
        let (action_id, action_type) = (effect.action_id.clone(), effect.action_type.clone());
        *last = Some(Self { action_id, action_type, before });
    }
}

impl MachineChanges {
    pub(crate) fn add(&mut self, action: &MachineAction) {
        self.actions += 1;
        let created = |action: &MachineAction| stated(action.creation_date_time_utc).unwrap_or(Timestamp::MAX);
        if self.oldest.as_ref().is_none_or(|oldest| created(action) < created(oldest)) {
            self.oldest = Some(Box::new(action.clone()));
        }
        let (Some(machine), change) = (&action.machine_id, Change::of(action)) else { return };
        let of_machine = self.by_machine.entry(machine.as_str().to_ascii_lowercase()).or_insert_with(|| OfMachine {
            id: machine.clone(),
            name: None,
            changes: HashMap::new(),
        });
        if let Some(name) = &action.computer_dns_name {
            of_machine.name.get_or_insert_with(|| name.clone());
        }
        match of_machine.changes.entry(action.id.as_str().to_ascii_lowercase()) {
            Entry::Vacant(vacant) => {
                vacant.insert(change);
            }
            Entry::Occupied(mut known) => {
                self.actions -= 1;
                if change.is_newer_than(known.get()) {
                    known.insert(change);
                }
            }
        }
    }

    /// Creation of the oldest action.
    pub(crate) fn reaches_back_to(&self) -> Option<Timestamp> {
        stated(self.oldest.as_ref()?.creation_date_time_utc)
    }

    /// Number of devices that are contained, as far as the records state the type of their isolation.
    pub(crate) fn contained(&self, now: Timestamp) -> usize {
        let is_contained = |of_machine: &&OfMachine| {
            of_machine.folded(None, now).isolation.is_some_and(|isolation| isolation.is_containment())
        };
        self.by_machine.values().filter(is_contained).count()
    }

    /// Ids of the machines whose records matter for the state: those that are isolated unless the isolation has lapsed, and those whose name
    /// is shown.
    pub(crate) fn machines_to_read(&self, now: Timestamp) -> impl Iterator<Item = &MachineId> {
        let matters = move |of_machine: &&OfMachine| {
            let Folded { isolation, restriction, pending, .. } = of_machine.folded(None, now);
            isolation.is_some() || restriction.is_some() || !pending.is_empty()
        };
        self.by_machine.values().filter(matters).map(|of_machine| &of_machine.id)
    }

    /// State of one machine, whose record may be known.
    pub(crate) fn folded(&self, id: &MachineId, machine: Option<&Machine>, now: Timestamp) -> Folded {
        let of_machine = self.by_machine.get(&id.as_str().to_ascii_lowercase());
        of_machine.map_or_else(Folded::default, |of_machine| of_machine.folded(machine, now))
    }

    pub(crate) fn state<'a>(self, machines: impl IntoIterator<Item = &'a Machine>, now: Timestamp) -> StateNow {
        let by_id: HashMap<_, _> =
            machines.into_iter().map(|machine| (machine.id.as_str().to_ascii_lowercase(), machine)).collect();
        let states = self.by_machine.into_iter().filter_map(|(key, of_machine)| {
            let machine = by_id.get(&key).copied();
            let Folded { isolation, restriction, mut pending, .. } = of_machine.folded(machine, now);
            pending.retain(|pending| CHANGING.contains(&pending.action_type));
            let name = machine.and_then(|machine| machine.computer_dns_name.clone()).or(of_machine.name);
            (isolation.is_some() || restriction.is_some() || !pending.is_empty()).then_some(MachineState {
                machine_id: of_machine.id,
                name,
                isolation,
                restriction,
                pending,
            })
        });
        StateNow {
            machines: states.collect(),
            oldest: self.oldest,
            actions: self.actions,
            unreadable: self.unreadable,
            at: now,
        }
    }
}

impl OfMachine {
    fn folded(&self, machine: Option<&Machine>, now: Timestamp) -> Folded {
        let mut folded = Folded::default();
        let mut effects: Vec<_> =
            self.changes.values().filter(|change| change.status == ActionStatus::Succeeded).collect();
        effects.sort_unstable_by_key(|change| (change.ended(), change.created, &change.action_id));
        for effect in effects {
            folded.apply(effect, machine);
        }
        if let Some(lapsed_at) = folded.isolation.as_ref().and_then(|isolation| isolation.lapses_at)
            && lapsed_at <= now
        {
            folded.isolation = None;
            folded.released = Some(format!("its isolation ended by itself at {lapsed_at:.0}"));
        }
        let pending = self.changes.values().filter(|change| !change.status.is_terminal());
        folded.pending = pending
            .map(|change| PendingChange {
                action_id: change.action_id.clone(),
                action_type: change.action_type.clone(),
                status: change.status.clone(),
                created: change.created,
            })
            .collect();
        folded
            .pending
            .sort_unstable_by(|one, other| (one.created, &one.action_id).cmp(&(other.created, &other.action_id)));
        folded
    }
}

impl Folded {
    fn apply(&mut self, effect: &Change, machine: Option<&Machine>) {
        let (ended, action_id) = (effect.ended(), effect.action_id.clone());
        match effect.action_type {
            ActionType::Isolate | ActionType::Unisolate => {
                let lapses_at = self.isolation.as_ref().and_then(|isolation| isolation.lapses_at);
                LastChange::replace(&mut self.last_isolating, effect, lapses_at.is_some_and(|lapses| lapses <= ended));
            }
            ActionType::RestrictCodeExecution | ActionType::UnrestrictCodeExecution => {
                LastChange::replace(&mut self.last_restricting, effect, false);
            }
            _ => {}
        }
        match effect.action_type {
            ActionType::Isolate => {
                let before =
                    self.isolation.take().filter(|before| before.lapses_at.is_none_or(|lapses| lapses > ended));
                let known = before.as_ref().and_then(|before| before.isolation_type.clone());
                let isolation_type = effect.scope.clone().or(known).or_else(|| containment(machine));
                let since = before.map_or(ended, |before| before.since);
                let lapses_at = lapse(isolation_type.as_ref(), machine, ended);
                self.isolation = Some(Isolation { isolation_type, since, action_id, lapses_at });
                self.released = None;
            }
            ActionType::Unisolate => {
                self.isolation = None;
                self.released = Some(format!("it was released by action {action_id} at {ended:.0}"));
            }
            ActionType::RestrictCodeExecution => {
                let since = self.restriction.take().map_or(ended, |before| before.since);
                self.restriction = Some(Restriction { since, action_id });
                self.unrestricted = None;
            }
            ActionType::UnrestrictCodeExecution => {
                self.restriction = None;
                self.unrestricted = Some(format!("its restriction was removed by action {action_id} at {ended:.0}"));
            }
            _ => {}
        }
    }
}

fn containment(machine: Option<&Machine>) -> Option<IsolationType> {
    let status = machine?.onboarding_status.as_ref()?;
    [OnboardingStatus::CanBeOnboarded, OnboardingStatus::Unsupported, OnboardingStatus::InsufficientInfo]
        .contains(status)
        .then_some(IsolationType::UnManagedDevice)
}

/// Time at which an isolation ends by itself. A containment does not: other machines block its device.
fn lapse(isolation_type: Option<&IsolationType>, machine: Option<&Machine>, ended: Timestamp) -> Option<Timestamp> {
    let lasts = isolation_lapses_after(machine?.os_platform.as_deref()?)?;
    let is_of_device = isolation_type != Some(&IsolationType::UnManagedDevice);
    is_of_device.then(|| ended.checked_add(SignedDuration::try_from(lasts).ok()?).ok()).flatten()
}
