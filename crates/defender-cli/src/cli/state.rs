//! `defender state`: the machines that are isolated, contained or restricted now.

use clap::Args;
use defender_fleet::MachineState;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    failure::{Exit, Failure},
    output::{Output, Record, talk},
    session::Session,
};

const EXAMPLES: &str = "\
The service has no field for this. It follows from the history of the actions, as far back as the service keeps it: the oldest
action that was read is named. A machine with a pending change is shown too.

Examples:
  defender --tenant contoso state
  defender --tenant contoso state -o json | jq -r '.[] | select(.isolation) | .machine'

Exit codes: 0 the history was read, 2 it or a record of it could not be read, 4 sign-in or permission.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct State {}

#[derive(Serialize)]
struct StateRow<'s> {
    tenant: &'s str,
    machine_id: String,
    machine: Option<&'s str>,
    /// Type of the isolation, `isolated` if it is not known.
    isolation: Option<String>,
    isolated_since: Option<Timestamp>,
    lapses_at: Option<Timestamp>,
    restricted: bool,
    restricted_since: Option<Timestamp>,
    pending: Vec<String>,
}

impl Record for StateRow<'_> {
    const COLUMNS: &'static [&'static str] = &[
        "tenant",
        "machine_id",
        "machine",
        "isolation",
        "isolated_since",
        "lapses_at",
        "restricted",
        "restricted_since",
        "pending",
    ];
    const TABLE: &'static [&'static str] =
        &["machine", "isolation", "isolated_since", "restricted_since", "pending", "lapses_at", "machine_id"];
}

impl<'s> StateRow<'s> {
    fn new(tenant: &'s str, machine: &'s MachineState) -> Self {
        let isolation = machine.isolation.as_ref();
        let restriction = machine.restriction.as_ref();
        let named = |isolation: &defender_fleet::Isolation| {
            isolation.isolation_type.as_ref().map_or_else(|| "isolated".to_owned(), ToString::to_string)
        };
        Self {
            tenant,
            machine_id: machine.machine_id.to_string(),
            machine: machine.name.as_deref(),
            isolation: isolation.map(named),
            isolated_since: isolation.map(|isolation| isolation.since),
            lapses_at: isolation.and_then(|isolation| isolation.lapses_at),
            restricted: restriction.is_some(),
            restricted_since: restriction.map(|restriction| restriction.since),
            pending: machine.pending.iter().map(|change| format!("{} {}", change.action_type, change.status)).collect(),
        }
    }
}

impl State {
    pub(super) async fn run(&self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let tenant = session.tenant()?.name();
        let state = session.fleet.state_now(tenant).await?;
        let mut rows: Vec<_> = state.machines.iter().map(|machine| StateRow::new(tenant, machine)).collect();
        rows.sort_by(|one, other| (one.machine, &one.machine_id).cmp(&(other.machine, &other.machine_id)));
        output.print(&rows)?;
        let oldest = state.oldest.as_ref().and_then(|oldest| oldest.creation_date_time_utc);
        let reach = oldest.map_or_else(
            || "No action was found".to_owned(),
            |oldest| format!("The history has {}, since {oldest:.0}", talk::counted(state.actions, "action")),
        );
        let changing = rows.iter().filter(|row| row.isolation.is_none() && !row.restricted).count();
        let pending = if changing == 0 { String::new() } else { format!(", {changing} may become so") };
        talk::say(&format!(
            "In tenant {tenant} {} isolated, contained or restricted{pending}. {reach}.",
            match rows.len() - changing {
                0 => "no machine is".to_owned(),
                1 => "1 machine is".to_owned(),
                held => format!("{held} machines are"),
            },
        ));
        if state.unreadable > 0 {
            talk::warn(&format!(
                "{} could not be read, and each may hide a state",
                talk::counted(state.unreadable, "record")
            ));
        }
        Ok(if state.unreadable == 0 { Exit::Success } else { Exit::Failed })
    }
}
