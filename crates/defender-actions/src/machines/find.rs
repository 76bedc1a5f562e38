//! The search for one machine by its name, and the error with the machines to choose from.

use std::{ops::ControlFlow, time::Duration};

use defender_model::{Filter, Machine, MachineName, sanitize_line};

use crate::{DefenderClient, Error, ErrorKind, List, client::call::Call, machines::record::read};

/// Most machines with a longer name that are kept.
const NEAR: usize = 25;
/// Longest part of a name that is shown, in characters.
const SHOWN: usize = 100;

/// Returns the first call of a search for this name.
pub(crate) fn first_call(client: &DefenderClient, name: &str) -> Result<Call, Error> {
    let name = name.trim();
    if name.is_empty() {
        return Err(blank(name));
    }
    list(client, name).first_call()
}

/// Returns the error of a name that is blank.
pub(super) fn blank(name: &str) -> Error {
    Error::new(ErrorKind::Request).context(context(name)).caused_by("the name is blank")
}

pub(super) fn context(name: &str) -> String {
    format!("the machine named `{}`", sanitize_line(name, SHOWN))
}

/// Returns the list of the machines whose names begin with this name, in three spellings.
pub(super) fn list(client: &DefenderClient, name: &str) -> List<Machine> {
    let mut spellings = vec![name.to_owned()];
    for spelling in [name.to_lowercase(), name.to_uppercase()] {
        if !spellings.contains(&spelling) {
            spellings.push(spelling);
        }
    }
    let filters = spellings.iter().map(|spelling| Machine::COMPUTER_DNS_NAME.starts_with(spelling.as_str()));
    filters.reduce(Filter::or).into_iter().fold(List::machines(client.clone()), List::filter)
}

/// Finds the machine of exactly this name.
pub(crate) async fn by_name(client: DefenderClient, name: String, timeout: Option<Duration>) -> Result<Machine, Error> {
    let name = name.trim();
    let what = context(name);
    let clock = &client.inner().clock;
    let end = clock.elapsed().saturating_add(timeout.unwrap_or(client.inner().total_timeout));
    let left = || end.saturating_sub(clock.elapsed());
    let mut found = Found::of(&client, name, left()).await?;
    let mut refused = None;
    if found.exact.is_empty() {
        match spelling(&client, name, left()).await? {
            Spelling::Machine(spelt) => {
                // The filters did not have this spelling. More machines may have it.
                let more = Found::of(&client, spelt.computer_dns_name.as_deref().unwrap_or(name), left()).await?;
                found.exact = if more.exact.is_empty() { vec![*spelt] } else { more.exact };
            }
            Spelling::Refused(error) => refused = Some(error),
            Spelling::Unknown => {}
        }
    }
    only(found.exact, found.near, what).map_err(|error| match (error.kind(), refused) {
        (ErrorKind::NotFound, Some(refused)) => {
            let error = none_of_this_name(error);
            refused.problem().cloned().into_iter().fold(error, Error::with_problem).with_cause_if_none(refused)
        }
        _ => none_of_this_name(error),
    })
}

/// Adds the message of a search that has found no machine, and leaves another error as it is.
pub(super) fn none_of_this_name(error: Error) -> Error {
    if error.kind() == ErrorKind::NotFound { error.message("no machine has exactly this name") } else { error }
}

/// Returns the error of a record that cannot be read and may be the machine, or another one of this name.
pub(super) fn unreadable_namesake(name: &str, why: String) -> Error {
    let what = format!("a machine that may be named `{}`", sanitize_line(name, SHOWN));
    Error::new(ErrorKind::InvalidResponse).context(what).caused_by(why)
}

/// Machines of this name, and machines whose names begin with it.
#[derive(Default)]
struct Found {
    exact: Vec<Machine>,
    near: Vec<Machine>,
}

impl Found {
    async fn of(client: &DefenderClient, name: &str, left: Duration) -> Result<Self, Error> {
        let mut found = Self::default();
        let unreadable = list(client, name).within(left).each_page(|page| {
            // A record that cannot be read may be the machine, or another one of this name.
            let of_this_name = page.unreadable.into_iter().find(|row| {
                row.raw.get("computerDnsName").and_then(|value| value.as_str()).is_none_or(|named| same(named, name))
            });
            if let Some(row) = of_this_name {
                return ControlFlow::Break(row.error);
            }
            for machine in page.value {
                if is_named(&machine, name) {
                    found.exact.push(machine);
                } else if found.near.len() < NEAR {
                    found.near.push(machine);
                }
            }
            ControlFlow::Continue(())
        });
        match unreadable.await? {
            Some(why) => Err(unreadable_namesake(name, why)),
            None => Ok(found),
        }
    }
}

/// Response of the service to a name in place of an id.
enum Spelling {
    /// Record of a machine with this name.
    Machine(Box<Machine>),
    /// Refusal: there is no machine of this name.
    Refused(Error),
    /// No information: the name cannot be part of a path, or the record of another machine came.
    Unknown,
}

/// Requests the machine of this name from the service itself.
async fn spelling(client: &DefenderClient, name: &str, left: Duration) -> Result<Spelling, Error> {
    // A name that cannot be part of a path can only be found by a filter.
    let Ok(segment) = name.parse::<MachineName>().map(|name| name.path_segment()) else { return Ok(Spelling::Unknown) };
    match client.inner().call::<Machine>(Call { timeout: Some(left), ..read(segment) }).await {
        Ok(machine) if is_named(&machine, name) => Ok(Spelling::Machine(Box::new(machine))),
        Ok(_) => Ok(Spelling::Unknown),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused | ErrorKind::InvalidResponse) => {
            Ok(Spelling::Refused(error))
        }
        Err(error) => Err(error),
    }
}

/// Returns whether the machine has this name. Its `aadDeviceId` is neither a name nor an id.
pub(crate) fn is_named(machine: &Machine, name: &str) -> bool {
    machine.computer_dns_name.as_deref().is_some_and(|own| same(own, name))
}

fn same(own: &str, name: &str) -> bool {
    lower(own) == lower(name)
}

/// Returns the form in which names are compared.
pub(super) fn lower(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Returns the only machine of `exact`, or an error with the machines to choose from.
pub(crate) fn only(mut exact: Vec<Machine>, near: Vec<Machine>, what: String) -> Result<Machine, Error> {
    let (kind, choice) = match exact.pop() {
        Some(machine) if exact.is_empty() => return Ok(machine),
        Some(last) => {
            exact.push(last);
            (ErrorKind::Ambiguous, exact)
        }
        None => (ErrorKind::NotFound, near),
    };
    Err(Error::new(kind).context(what).with_machines(choice))
}
