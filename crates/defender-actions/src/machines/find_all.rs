//! The search for many machines by their names, in one list.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use defender_model::{Machine, Page};
use futures_util::TryStreamExt;
use serde_json::Value;

use super::find::{blank, by_name, context, list, lower, none_of_this_name, only, unreadable_namesake};
use crate::{DefenderClient, Error, ErrorKind, List, client::call::Call};

/// Most names that are searched for one by one, as a rule with a call for each.
const SINGLY: usize = 10;

/// Most machines with a longer name that are kept for each name.
const NEAR: usize = 5;

/// Each name as it was given, with its machine.
type Found = Vec<(String, Result<Machine, Error>)>;

/// Returns the first call of a search for these names.
pub(super) fn first_call(client: &DefenderClient, names: &[String]) -> Result<Call, Error> {
    match names.iter().map(|name| name.trim()).find(|name| !name.is_empty()) {
        Some(name) if names.len() <= SINGLY => list(client, name).first_call(),
        _ => List::machines(client.clone()).first_call(),
    }
}

/// Finds the machine of each name.
pub(super) async fn by_names(
    client: DefenderClient,
    names: Vec<String>,
    timeout: Option<Duration>,
) -> Result<Found, Error> {
    let clock = &client.inner().clock;
    let end = clock.elapsed().saturating_add(timeout.unwrap_or(client.inner().total_timeout));
    let left = || end.saturating_sub(clock.elapsed());
    if names.len() > SINGLY {
        return in_one_list(&client, names, left()).await;
    }
    let mut found = Found::new();
    for name in names {
        let machine = match name.trim() {
            "" => Err(blank(&name)),
            _ => by_name(client.clone(), name.clone(), Some(left())).await,
        };
        match machine {
            Err(error) if !concerns_one_name(&error) => return Err(error),
            machine => found.push((name, machine)),
        }
    }
    Ok(found)
}

/// Returns whether the search for another name may succeed after this error.
fn concerns_one_name(error: &Error) -> bool {
    use ErrorKind as K;
    matches!(error.kind(), K::NotFound | K::Ambiguous | K::Request | K::InvalidResponse)
}

async fn in_one_list(client: &DefenderClient, names: Vec<String>, left: Duration) -> Result<Found, Error> {
    let mut search = Search::new(&names);
    let mut pages = List::machines(client.clone()).within(left).pages();
    while let Some(page) = pages.try_next().await? {
        search.read(page);
    }
    let result = |name: String| {
        let machine = search.result(&name);
        (name, machine)
    };
    Ok(names.into_iter().map(result).collect())
}

/// Names, with what the pages have shown of them.
struct Search {
    /// Machines by the name in lower case.
    seen: HashMap<String, Seen>,
    /// Lengths of the names in lower case, so that only beginnings of these lengths are looked up.
    lengths: BTreeSet<usize>,
    /// Error of a row that cannot be read and may be of any name.
    unreadable: Option<String>,
}

#[derive(Default)]
struct Seen {
    exact: Vec<Machine>,
    near: Vec<Machine>,
    /// Error of a row of this name that cannot be read.
    unreadable: Option<String>,
}

impl Search {
    fn new(names: &[String]) -> Self {
        let seen: HashMap<_, _> = names.iter().map(|name| (lower(name), Seen::default())).collect();
        let lengths = seen.keys().map(String::len).filter(|length| *length > 0).collect();
        Self { seen, lengths, unreadable: None }
    }

    fn read(&mut self, page: Page<Machine>) {
        for row in page.unreadable {
            match row.raw.get("computerDnsName") {
                // A record without a name is the machine of no name.
                None | Some(Value::Null) => {}
                Some(Value::String(name)) => {
                    if let Some(seen) = self.seen.get_mut(&lower(name)) {
                        seen.unreadable.get_or_insert(row.error);
                    }
                }
                Some(_) => {
                    self.unreadable.get_or_insert(row.error);
                }
            }
        }
        for machine in page.value {
            let Some(name) = machine.computer_dns_name.as_deref().map(lower) else { continue };
            for beginning in self.lengths.range(..name.len()).filter_map(|length| name.get(..*length)) {
                if let Some(seen) = self.seen.get_mut(beginning).filter(|seen| seen.near.len() < NEAR) {
                    seen.near.push(machine.clone());
                }
            }
            if let Some(seen) = self.seen.get_mut(&name) {
                seen.exact.push(machine);
            }
        }
    }

    /// Returns the machine of this name, by the rules of a search for one name.
    fn result(&self, name: &str) -> Result<Machine, Error> {
        let trimmed = name.trim();
        let Some(seen) = self.seen.get(&lower(name)).filter(|_| !trimmed.is_empty()) else { return Err(blank(name)) };
        match seen.unreadable.as_ref().or(self.unreadable.as_ref()) {
            Some(why) => Err(unreadable_namesake(trimmed, why.clone())),
            None => only(seen.exact.clone(), seen.near.clone(), context(trimmed)).map_err(none_of_this_name),
        }
    }
}
