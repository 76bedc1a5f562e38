//! `defender tenants`: the names and ids of the profiles.

use serde::Serialize;

use crate::{
    failure::{Exit, Failure},
    output::{Output, Record, talk},
    session::Session,
};

#[derive(Serialize)]
struct TenantRow<'s> {
    tenant: &'s str,
    id: &'s str,
}

impl Record for TenantRow<'_> {
    const COLUMNS: &'static [&'static str] = &["tenant", "id"];
    const TABLE: &'static [&'static str] = Self::COLUMNS;
}

/// Prints the tenants. Nothing is sent.
pub(super) fn run(session: &Session, output: Output) -> Result<Exit, Failure> {
    let rows: Vec<_> =
        session.fleet.tenants().iter().map(|tenant| TenantRow { tenant: tenant.name(), id: tenant.id() }).collect();
    output.print(&rows)?;
    if rows.is_empty() {
        talk::say(
            "There is no profile, and AZURE_TENANT_ID is not set. `defender tenants --help` shows a profile and its place.",
        );
    }
    Ok(Exit::Success)
}
