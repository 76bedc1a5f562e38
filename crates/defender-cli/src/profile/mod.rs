//! Tenants, stores and folders of the user.

mod folders;
mod store;

use std::path::{Path, PathBuf};

use defender_actions::DefenderClientBuilder;
use defender_fleet::{Error as FleetError, Tenant, Tenants};

pub(crate) use self::store::stores;
use crate::failure::Failure;

/// Returns the tenant of the option, or of `DEFENDER_TENANT`. There is no default.
pub(crate) fn chosen_tenant(option: Option<String>) -> Result<Option<String>, Failure> {
    match option {
        Some(name) => Ok(Some(name)),
        None => variable("DEFENDER_TENANT"),
    }
}

/// Writes a file of the demonstration to the user's state folder, and returns its path.
pub(crate) fn demo_file(name: &str, text: &str) -> Result<PathBuf, Failure> {
    let path = folders::state_file(name)?;
    std::fs::write(&path, text).map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
    Ok(path)
}

/// Returns the value of a variable of the environment, if it is set and not blank.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::usage(format!("{name} is not text; correct it, or unset it")))
        }
    }
}

/// Returns the tenants of the profiles. Without profiles, it is the one of the standard variables `AZURE_*`.
pub(crate) fn tenants(_option: Option<&Path>) -> Result<Tenants, Failure> {
    let Some(id) = variable("AZURE_TENANT_ID")? else { return Ok(Tenants::default()) };
    DefenderClientBuilder::from_env()?;
    let client = || Ok::<_, FleetError>(DefenderClientBuilder::from_env().unwrap());
    Ok(Tenants::default().with(Tenant::new(id.clone(), id, client)))
}
