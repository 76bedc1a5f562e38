//! The machines of the targets.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use defender_actions::{
    DefenderClient, Error, ErrorKind,
    model::{Machine, MachineId},
};

use super::{Candidate, LeftOut, LeftOutReason};
use crate::{
    reads::{ReadMachines, key, machines, machines_by_id},
    targets::{Item, Meaning, Target},
};

/// Machines of the targets, each once, in the order of the targets, and the targets that are no machine.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) machines: Vec<FoundMachine>,
    pub(super) left_out: Vec<LeftOut>,
    seen: HashSet<String>,
}

/// Machine, and the target that named it first.
#[derive(Debug)]
pub(super) struct FoundMachine {
    pub(super) machine: Machine,
    target: String,
    source: Option<String>,
}

impl FoundMachine {
    /// Leaves the machine out.
    pub(super) fn left_out(&self, reason: LeftOutReason) -> LeftOut {
        LeftOut {
            target: self.target.clone(),
            source: self.source.clone(),
            machine_id: Some(self.machine.id.clone()),
            name: self.machine.computer_dns_name.clone(),
            reason,
        }
    }
}

/// Reads the machines of the targets.
pub(super) async fn find(client: &DefenderClient, items: &[Item]) -> Result<Found, Error> {
    let names = by_name(client, items).await?;
    let ids = machines_by_id(client, items.iter().filter_map(id_of)).await?;
    let known: HashMap<_, _> = ids.machines.iter().map(|machine| (key(&machine.id), machine)).collect();
    let mut found = Found::default();
    for item in items {
        match item {
            Item::One(target) => match machine_of(target, &names, (&known, &ids)) {
                Ok(machine) => found.add(machine.clone(), target.text.clone(), target.source.clone()),
                Err(reason) => found.left_out.push(LeftOut {
                    target: target.text.clone(),
                    source: target.source.clone(),
                    machine_id: None,
                    name: None,
                    reason,
                }),
            },
            Item::Tag(tag) => {
                let pages = client.machines().find_by_tag(tag).pages();
                found.add_all(machines(pages, |_| true).await?, &format!("tag `{tag}`"));
            }
            Item::Filter(filter) => {
                let pages = client.machines().filter(filter.clone()).pages();
                found.add_all(machines(pages, |_| true).await?, &format!("filter `{filter}`"));
            }
        }
    }
    Ok(found)
}

type Names = HashMap<String, Result<Machine, LeftOutReason>>;

/// Finds the machines of all names.
async fn by_name(client: &DefenderClient, items: &[Item]) -> Result<Names, Error> {
    let mut unique = HashSet::new();
    let names: Vec<_> = items.iter().filter_map(name_of).filter(|name| unique.insert(lower(name))).collect();
    let found = client.machines().find_all(names).await?;
    Ok(found.into_iter().map(|(name, machine)| (lower(&name), machine.map_err(|error| not_one(&error)))).collect())
}

fn machine_of<'m>(
    target: &Target,
    names: &'m Names,
    (known, ids): (&HashMap<String, &'m Machine>, &ReadMachines),
) -> Result<&'m Machine, LeftOutReason> {
    let not_found = || LeftOutReason::NotFound { similar: Vec::new() };
    match &target.meaning {
        Meaning::Invalid(message) => Err(LeftOutReason::Invalid { message: message.clone() }),
        Meaning::Name(name) => match names.get(&lower(name)) {
            Some(machine) => machine.as_ref().map_err(LeftOutReason::clone),
            None => Err(not_found()),
        },
        Meaning::Id(id) => known.get(&key(id)).copied().ok_or_else(|| match ids.unreadable.get(&key(id)) {
            Some(error) => LeftOutReason::Invalid { message: format!("its record cannot be read: {error}") },
            None => not_found(),
        }),
    }
}

/// Reason of a name that is not the name of one machine.
fn not_one(error: &Error) -> LeftOutReason {
    let mut candidates: Vec<_> = error.machines().iter().map(Candidate::from).collect();
    match error.kind() {
        ErrorKind::NotFound => LeftOutReason::NotFound { similar: candidates },
        ErrorKind::Ambiguous => {
            candidates.sort_by_key(|candidate| Reverse(candidate.last_seen));
            LeftOutReason::Ambiguous { candidates }
        }
        _ => LeftOutReason::Invalid { message: error.to_string() },
    }
}

impl Found {
    fn add(&mut self, machine: Machine, target: String, source: Option<String>) {
        let is_new = self.seen.insert(key(&machine.id));
        let found = FoundMachine { machine, target, source };
        if is_new {
            self.machines.push(found);
        } else {
            self.left_out.push(found.left_out(LeftOutReason::Duplicate));
        }
    }

    fn add_all(&mut self, read: ReadMachines, source: &str) {
        for machine in read.machines {
            let target = machine.computer_dns_name.clone().unwrap_or_else(|| machine.id.to_string());
            self.add(machine, target, Some(source.to_owned()));
        }
        self.left_out.extend(read.unreadable.into_iter().map(|(id, error)| LeftOut {
            target: id,
            source: Some(source.to_owned()),
            machine_id: None,
            name: None,
            reason: LeftOutReason::Invalid { message: format!("its record cannot be read: {error}") },
        }));
    }
}

fn id_of(item: &Item) -> Option<&MachineId> {
    match item {
        Item::One(Target { meaning: Meaning::Id(id), .. }) => Some(id),
        _ => None,
    }
}

fn name_of(item: &Item) -> Option<&str> {
    match item {
        Item::One(Target { meaning: Meaning::Name(name), .. }) => Some(name),
        _ => None,
    }
}

fn lower(name: &str) -> String {
    name.trim().to_lowercase()
}
