//! The machines.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::store::{
    actions::Actions,
    lifecycle::Started,
    machine_record::{Live, REPORT, Record},
};

/// A machine's id and its name. The first id is the one in the documentation's samples.
pub(crate) const MACHINES: [(&str, &str); 3] = [
    ("1e5bc9d7e413ddd7902c2932e418702b84d0cc07", "ws-eng-04.contoso.example"),
    ("3b6a6b3f1f0c4b8d9d5f2e8a7c41509e66d2fa18", "ws-eng-042.contoso.example"),
    ("7a2f4cc81de0937b54be6f0d9183a5c2704e1bb9", "C-Lab-31"),
];

/// One machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) id: Arc<str>,
    /// Its place among all.
    place: usize,
    /// Empty where it has none.
    pub(crate) computer_dns_name: Arc<str>,
    pub(crate) record: Record,
    /// The time at which it was added, and the same on the clock's own time.
    since: Timestamp,
    added: Duration,
    /// The time since which it is offline.
    pub(crate) offline_since: Option<Duration>,
}

/// All machines. None is ever taken out, so that its place is a key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machines {
    all: Vec<Machine>,
    by_id: HashMap<Arc<str>, usize>,
}

/// The state of a machine after its actions so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineState {
    /// App execution is restricted: only what Microsoft signed may run.
    pub restricted: bool,
    /// The isolation: `Full`, `Selective` or `UnManagedDevice`; `None` without one.
    pub isolation: Option<String>,
    /// The machine still reports to the service.
    pub onboarded: bool,
    /// The machine is online, so that its actions begin.
    pub online: bool,
}

impl Machines {
    /// The machines that every emulator has, and `more`.
    pub(crate) fn new(more: u32, started: Started) -> Self {
        let mut machines = Self::default();
        for (number, (id, name)) in MACHINES.into_iter().enumerate() {
            let mut record = Record::numbered(number, id, name);
            if number == 0 {
                record.machine_tags = vec!["Engineering".to_owned(), "Engineering floor 4".to_owned()];
            }
            machines.add(record, started);
        }
        for number in 0..more {
            // Forty digits, as usual, and each another.
            let id = format!("{:08x}{number:08x}{:024x}", 0x00de_fe0d_u32, u64::from(number).wrapping_mul(0x9e37_79b9));
            let number = usize::try_from(number).unwrap_or(usize::MAX).saturating_add(MACHINES.len());
            machines.add(Record::numbered(number, &id, &format!("pc-{number:05}.contoso.example")), started);
        }
        machines
    }

    /// These and no others.
    pub(crate) fn given(records: Vec<Record>, started: Started) -> Self {
        let mut machines = Self::default();
        for record in records {
            machines.add(record, started);
        }
        machines
    }

    pub(crate) fn add(&mut self, record: Record, started: Started) {
        let machine = Machine {
            id: Arc::from(record.id.as_str()),
            place: self.all.len(),
            computer_dns_name: Arc::from(record.computer_dns_name.as_deref().unwrap_or_default()),
            since: started.now,
            added: started.elapsed,
            offline_since: record.offline.then_some(started.elapsed),
            record,
        };
        self.by_id.insert(Arc::clone(&machine.id), self.all.len());
        self.all.push(machine);
    }

    /// Takes the machine of this id offline, unless it is offline already.
    pub(crate) fn take_offline(&mut self, id: &str, elapsed: Duration) {
        let place = self.by_id.get(id).copied();
        if let Some(machine) = place.and_then(|place| self.all.get_mut(place)) {
            machine.offline_since = machine.offline_since.or(Some(elapsed));
        }
    }

    /// The machine of this id, and its place. Names do not count: the actions' pages know ids alone.
    pub(crate) fn find(&self, id: &str) -> Option<(usize, &Machine)> {
        let place = *self.by_id.get(id)?;
        Some((place, self.all.get(place)?))
    }

    /// The machine of this id, or else the first of this name: <https://learn.microsoft.com/defender-endpoint/api/get-machine-by-id>
    /// takes both. The page is silent on the name's letter case; here it does not matter.
    pub(crate) fn find_by_id_or_name(&self, text: &str) -> Option<&Machine> {
        let named = |machine: &&Machine| machine.computer_dns_name.eq_ignore_ascii_case(text);
        self.find(text).map(|(_, machine)| machine).or_else(|| self.all.iter().find(named))
    }

    pub(crate) fn all(&self) -> &[Machine] {
        &self.all
    }

    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut Machine> {
        self.all.get_mut(place)
    }
}

impl Machine {
    /// Returns the time at which it was first seen.
    pub(crate) fn first_seen(&self) -> Timestamp {
        self.record.first_seen.unwrap_or_else(|| self.record.last_seen.map_or(self.since, |last| last.min(self.since)))
    }

    /// Returns the time of its last full report: about once a day, for as long as it is online.
    pub(crate) fn last_seen(&self, elapsed: Duration) -> Timestamp {
        let there = self.offline_since.unwrap_or(elapsed).saturating_sub(self.added);
        let reports = there.as_secs().checked_div(REPORT.as_secs()).unwrap_or(0);
        if reports == 0 {
            return self.record.last_seen.unwrap_or(self.since);
        }
        let since = Duration::from_secs(reports.saturating_mul(REPORT.as_secs()));
        self.since.checked_add(since).unwrap_or(Timestamp::MAX)
    }

    /// The value of `healthStatus`. After how long the service calls a machine inactive is seven days in its portal's
    /// documentation.
    pub(crate) fn health(&self, elapsed: Duration) -> &str {
        let gone = self.offline_since.is_some_and(|since| elapsed.saturating_sub(since) >= REPORT.saturating_mul(7));
        self.record.health_status.as_deref().unwrap_or(if gone { "Inactive" } else { "Active" })
    }

    /// The value of `onboardingStatus`; that of an offboarded machine is inferred.
    pub(crate) fn onboarding(&self, onboarded: bool) -> &str {
        match self.record.onboarding_status.as_deref() {
            Some(given) if onboarded || !given.eq_ignore_ascii_case(ONBOARDED) => given,
            _ if onboarded => ONBOARDED,
            _ => "CanBeOnboarded",
        }
    }
}

const ONBOARDED: &str = "Onboarded";

/// A machine in a list, or by itself with its context.
#[derive(Clone, Debug)]
pub(crate) struct MachineRow<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) onboarded: bool,
    pub(crate) elapsed: Duration,
    pub(crate) context: Option<String>,
}

impl Serialize for MachineRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(context) = &self.context {
            map.serialize_entry("@odata.context", context)?;
        }
        let live = Live {
            first_seen: Some(self.machine.first_seen()),
            last_seen: Some(self.machine.last_seen(self.elapsed)),
            health: self.machine.health(self.elapsed),
            onboarding: self.machine.onboarding(self.onboarded),
        };
        self.machine.record.write(&mut map, &live)?;
        map.end()
    }
}

impl MachineState {
    /// Returns the state that its successful actions have led to, as of the last look at them.
    pub(crate) fn of(machine: &Machine, actions: &Actions) -> Self {
        let last = |words: &[&'static str]| actions.last_success(machine.place, words);
        let restriction = last(&["RestrictCodeExecution", "UnrestrictCodeExecution"]);
        let isolation = last(&["Isolate", "Unisolate"]).filter(|action| action.type_name.as_str() == "Isolate");
        let given = machine.record.onboarding_status.as_deref();
        Self {
            restricted: restriction.is_some_and(|action| action.type_name.as_str() == "RestrictCodeExecution"),
            isolation: isolation.map(|action| action.scope.as_deref().unwrap_or("Full").to_owned()),
            onboarded: given.is_none_or(|given| given.eq_ignore_ascii_case(ONBOARDED)) && last(&["Offboard"]).is_none(),
            online: machine.offline_since.is_none(),
        }
    }
}
