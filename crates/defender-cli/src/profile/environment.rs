//! The tenant of the standard variables of the environment.

use defender_actions::{DefenderClientBuilder, auth::credential_from_env};
use defender_fleet::{Error, Tenant, Tenants};

use super::{clock::clock, file::PROGRAM, known::Known, variable::variable};
use crate::failure::Failure;

/// Application of the Azure CLI itself, the same in each tenant.
/// Source: <https://learn.microsoft.com/en-us/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in>.
const AZURE_CLI: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/// Returns the tenant that `AZURE_TENANT_ID` names, or no tenant if it is not set.
pub(super) fn tenants() -> Result<Known, Failure> {
    let Some(id) = variable("AZURE_TENANT_ID")? else { return Ok(Known::default()) };
    // An invalid variable is reported before the tenant is used.
    credential_from_env().map_err(|error| Failure::usage(error.to_string()))?;
    let application = variable("AZURE_CLIENT_ID")?.unwrap_or_else(|| AZURE_CLI.to_owned());
    let client = move || {
        let builder = DefenderClientBuilder::from_env().map_err(Error::from)?;
        Ok(builder.application_id(&application).application(PROGRAM).clock(clock()))
    };
    let tenants = Tenants::default().with(Tenant::new(id.clone(), id.clone(), client));
    Ok(Known { tenants, of_environment: Some(id) })
}
