//! `defender find`: machines by name, id, tag or filter.

use clap::{ArgGroup, Args};
use defender_actions::{
    ErrorKind,
    model::{Filter, Machine},
};
use jiff::Timestamp;
use serde::Serialize;

use super::readable::next_row;
use crate::{
    failure::{Exit, Failure, exit_of},
    output::{Output, Record, talk},
    session::Session,
};

const EXAMPLES: &str = "\
Names are compared as a whole, in any letter case. A name that no machine or several machines have is an error with the machines
to choose from, and never a guess. For a part of a name there is a filter.

Examples:
  defender --tenant contoso find ws-fin-01 ws-fin-02
  defender --tenant contoso find --tag ransomware -o csv
  defender --tenant contoso find --filter \"startswith(computerDnsName,'ws-fin-')\"
  defender --tenant contoso find --filter \"healthStatus eq 'Inactive'\" --limit 20

Exit codes: 0 all were found, 2 a name has no machine or several, or a record cannot be read, 4 sign-in or permission.";

#[derive(Args, Debug)]
#[command(
    after_help = EXAMPLES,
    group = ArgGroup::new("what").required(true).multiple(true).args(["names", "ids", "tags", "filter"])
)]
pub(super) struct Find {
    /// Names of machines, exact
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Id of a machine; may be repeated
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// Tag of machines, exact; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// OData filter of the service
    #[arg(long, value_name = "ODATA")]
    filter: Option<String>,
    /// Most machines of a tag or a filter
    #[arg(long, default_value_t = 1_000, value_name = "NUMBER")]
    limit: usize,
}

/// Machine that was found.
#[derive(Serialize)]
pub(super) struct MachineRow<'s> {
    tenant: &'s str,
    id: String,
    name: Option<String>,
    os: Option<String>,
    health: Option<String>,
    onboarding: Option<String>,
    last_seen: Option<Timestamp>,
    last_ip: Option<String>,
    tags: Vec<String>,
    group: Option<String>,
    risk: Option<String>,
    exposure: Option<String>,
    value: Option<String>,
    merged_into: Option<String>,
}

impl Record for MachineRow<'_> {
    const COLUMNS: &'static [&'static str] = &[
        "tenant",
        "id",
        "name",
        "os",
        "health",
        "onboarding",
        "last_seen",
        "last_ip",
        "tags",
        "group",
        "risk",
        "exposure",
        "value",
        "merged_into",
    ];
    const TABLE: &'static [&'static str] = &["name", "health", "os", "last_seen", "id", "tags"];
}

impl<'s> MachineRow<'s> {
    fn new(tenant: &'s str, machine: Machine) -> Self {
        Self {
            tenant,
            id: machine.id.to_string(),
            name: machine.computer_dns_name,
            os: machine.os_platform,
            health: machine.health_status.map(|status| status.to_string()),
            onboarding: machine.onboarding_status.map(|status| status.to_string()),
            last_seen: machine.last_seen,
            last_ip: machine.last_ip_address,
            tags: machine.machine_tags.unwrap_or_default(),
            group: machine.rbac_group_name,
            risk: machine.risk_score.map(|risk| risk.to_string()),
            exposure: machine.exposure_level.map(|level| level.to_string()),
            value: machine.device_value.map(|value| value.to_string()),
            merged_into: machine.merged_into_machine_id,
        }
    }
}

impl Find {
    pub(super) async fn run(self, session: &Session, output: Output) -> Result<Exit, Failure> {
        let (tenant, client) = (session.tenant()?.name(), session.client()?);
        let mut found = Found::default();
        if !self.names.is_empty() {
            for (_, machine) in client.machines().find_all(self.names.iter()).send().await? {
                found.add(machine)?;
            }
        }
        for id in &self.ids {
            let id = id.parse().map_err(|error| Failure::usage(format!("--id {id}: {error}")))?;
            found.add(client.machine(id).get().send().await)?;
        }
        for tag in &self.tags {
            let list = client.machines().find_by_tag(tag).stream();
            found.add_all(list, self.limit).await?;
        }
        if let Some(filter) = &self.filter {
            let list = client.machines().filter(Filter::raw(filter)).stream();
            found.add_all(list, self.limit).await?;
        }
        let rows: Vec<_> = found.machines.into_iter().map(|machine| MachineRow::new(tenant, machine)).collect();
        output.print(&rows)?;
        if rows.is_empty() {
            talk::say(&format!("No machine was found in tenant {tenant}."));
        }
        Ok(found.exit)
    }
}

/// Machines, and the worst error of those that were not found.
struct Found {
    machines: Vec<Machine>,
    exit: Exit,
}

impl Default for Found {
    fn default() -> Self {
        Self { machines: Vec::new(), exit: Exit::Success }
    }
}

impl Found {
    /// Adds a machine, or reports that it was not found or cannot be read. Another error ends the command.
    fn add(&mut self, machine: Result<Machine, defender_actions::Error>) -> Result<(), Failure> {
        match machine {
            Ok(machine) => self.push(machine),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Ambiguous | ErrorKind::InvalidResponse) =>
            {
                talk::error(&error.to_string());
                self.exit = self.exit.max(exit_of(&error));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn add_all(
        &mut self,
        mut list: defender_actions::BoxStream<Result<Machine, defender_actions::Error>>,
        limit: usize,
    ) -> Result<(), Failure> {
        let mut read = 0;
        while let Some(machine) = next_row(&mut list, &mut self.exit).await? {
            if read == limit {
                talk::warn(&format!("only the first {limit} machines are shown; raise --limit to see more"));
                break;
            }
            read += 1;
            self.push(machine);
        }
        Ok(())
    }

    fn push(&mut self, machine: Machine) {
        if self.machines.iter().all(|known| known.id != machine.id) {
            self.machines.push(machine);
        }
    }
}
