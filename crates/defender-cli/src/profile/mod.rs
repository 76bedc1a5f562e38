//! Tenants, stores and folders of the user.

mod clock;
mod connection_string;
mod environment;
mod file;
mod folders;
mod known;
mod store;
mod variable;

use std::path::{Path, PathBuf};

use self::variable::variable;
pub(crate) use self::{
    clock::clock,
    connection_string::{decoded, has_password, rest_of_postgres},
    known::Known,
    store::stores,
};
use crate::failure::Failure;

/// Help about the profiles.
pub(crate) const PROFILES: &str = "\
Profiles are in defender/tenants.toml of the user's config folder (~/.config on Linux), or in the file of --tenants:

  [tenants.contoso]
  tenant_id = \"7e4a47d0-0000-4000-8000-000000000001\"
  client_id = \"c11e47d0-0000-4000-8000-000000000002\"
  credential = \"client-secret\"          # certificate, managed-identity, workload-identity, azure-cli, device-code or browser
  secret_env = \"CONTOSO_SECRET\"         # or secret_file = \"contoso.secret\" (mode 0600), or secret_name = \"contoso\"
  # cloud = \"gcc-high\"                  # public, gcc, gcc-high or dod
  # base_url, authority, audience         # addresses in place of those of the cloud, such as of the emulator

  [tenants.fabrikam]
  tenant_id = \"7e4a47d0-0000-4000-8000-000000000003\"
  client_id = \"c11e47d0-0000-4000-8000-000000000004\"
  credential = \"certificate\"
  certificate_file = \"fabrikam.pem\"     # password_env, password_file or password_name if the key has a password

A secret never stands in the file or in an argument. `secret_name` is an entry of the system's keyring: on Linux that of
  secret-tool store --label=defender service defender username contoso
on macOS that of
  security add-generic-password -s defender -a contoso -w

Without a file, the standard variables are used: AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or another credential of the
Azure SDKs. The name of the tenant is then the value of AZURE_TENANT_ID. DEFENDER_CLOUD selects a cloud, DEFENDER_CA_FILE adds a CA, and
HTTPS_PROXY sets a proxy, which may have a user and a password.";

/// Returns the tenant of the option, or of `DEFENDER_TENANT`. There is no default.
pub(crate) fn chosen_tenant(option: Option<String>) -> Result<Option<String>, Failure> {
    match option {
        Some(name) => Ok(Some(name)),
        None => variable("DEFENDER_TENANT"),
    }
}

/// Returns the tenants of the file. Without a file, it is the one of the standard variables, or none.
pub(crate) fn tenants(option: Option<&Path>) -> Result<Known, Failure> {
    let of_file = |path: &Path| Ok(Known { tenants: file::tenants(path)?, of_environment: None });
    if let Some(path) = option {
        return of_file(path);
    }
    let path = folders::config_file(file::NAME)?;
    if path.exists() { of_file(&path) } else { environment::tenants() }
}

/// Writes a file of the demonstration to the user's state folder, and returns its path.
pub(crate) fn demo_file(name: &str, text: &str) -> Result<PathBuf, Failure> {
    let path = folders::state_file(name)?;
    std::fs::write(&path, text).map_err(|error| {
        Failure::usage(format!("cannot write {}: {error}; correct the owner of the folder", path.display()))
    })?;
    Ok(path)
}
