//! Reads of machines and actions that plans and states share.

use std::collections::BTreeMap;

use defender_actions::{
    BoxStream, DefenderClient,
    model::{ActionStatus, ActionType, Filter, Machine, MachineAction, MachineId, Page},
};
use futures_util::TryStreamExt;

use crate::{Error, ErrorKind, state::MachineChanges};

/// Most ids in a filter. More are looked up in the list of all machines.
const IN_A_FILTER: usize = 50;
/// Most machines in a filter of actions.
const MACHINES_IN_A_FILTER: usize = 10;

/// Error of a call of the service in a tenant.
pub(crate) fn service_error(tenant: &str, error: defender_actions::Error) -> Error {
    Error::new(ErrorKind::Service, format!("tenant `{tenant}`: {error}")).caused_by(error)
}

/// Key under which ids are compared, which is without letter case.
pub(crate) fn key(id: &MachineId) -> String {
    id.as_str().to_ascii_lowercase()
}

/// Machines of a list, and the errors of rows with an id that cannot be read.
#[derive(Debug, Default)]
pub(crate) struct ReadMachines {
    pub(crate) machines: Vec<Machine>,
    pub(crate) unreadable: BTreeMap<String, String>,
}

/// Reads the machines of these pages that `keep` selects by their keys.
pub(crate) async fn machines(
    mut pages: BoxStream<Result<Page<Machine>, defender_actions::Error>>,
    keep: impl Fn(&str) -> bool + Send,
) -> Result<ReadMachines, defender_actions::Error> {
    let mut read = ReadMachines::default();
    while let Some(page) = pages.try_next().await? {
        read.machines.extend(page.value.into_iter().filter(|machine| keep(&key(&machine.id))));
        for row in page.unreadable {
            if let Some(id) = row.raw.get("id").and_then(|id| id.as_str()).map(str::to_ascii_lowercase)
                && keep(&id)
            {
                read.unreadable.insert(id, row.error);
            }
        }
    }
    Ok(read)
}

/// Reads the machines with these ids: a few by a filter, many from the list of all machines.
pub(crate) async fn machines_by_id(
    client: &DefenderClient,
    ids: impl IntoIterator<Item = &MachineId> + Send,
) -> Result<ReadMachines, defender_actions::Error> {
    let ids: BTreeMap<_, _> = ids.into_iter().map(|id| (key(id), id)).collect();
    // The service writes ids in lower case, and no page says that a filter ignores the letter case.
    let lower =
        ids.iter().filter(|(key, id)| **key != id.as_str()).filter_map(|(key, _)| key.parse::<MachineId>().ok());
    let spellings = ids.values().copied().cloned().chain(lower);
    let filter = spellings.map(|id| Machine::ID.eq(id)).reduce(Filter::or);
    let Some(filter) = filter else { return Ok(ReadMachines::default()) };
    let pages =
        if ids.len() > IN_A_FILTER { client.machines().pages() } else { client.machines().filter(filter).pages() };
    machines(pages, |id| ids.contains_key(id)).await
}

/// Reads the history of actions of these types, the pending ones alone or all, of these machines or of every machine.
pub(crate) async fn history(
    client: &DefenderClient,
    types: &[ActionType],
    reach: Reach,
    machines: &[&MachineId],
) -> Result<MachineChanges, defender_actions::Error> {
    let mut changes = MachineChanges::default();
    let filters = types.iter().map(|action_type| MachineAction::ACTION_TYPE.eq(action_type));
    let Some(mut filter) = filters.reduce(Filter::or) else { return Ok(changes) };
    if reach == Reach::Pending {
        let pending = [ActionStatus::Pending, ActionStatus::InProgress].map(|status| MachineAction::STATUS.eq(status));
        filter = pending.into_iter().reduce(Filter::or).into_iter().fold(filter, Filter::and);
    }
    if machines.len() <= MACHINES_IN_A_FILTER {
        let of_machines = machines.iter().map(|id| MachineAction::MACHINE_ID.eq(*id)).reduce(Filter::or);
        filter = of_machines.into_iter().fold(filter, Filter::and);
    }
    let mut pages = client.actions().filter(filter).pages();
    while let Some(page) = pages.try_next().await? {
        page.value.iter().for_each(|action| changes.add(action));
        changes.unreadable += page.unreadable.len();
    }
    Ok(changes)
}

/// Part of the history that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Actions that have not ended.
    Pending,
    /// All actions.
    All,
}
