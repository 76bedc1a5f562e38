//! The file with the profiles of the tenants.

use std::{error::Error, path::Path, process::Stdio, sync::Arc};

use defender_actions::transport::{HyperTransport, Roots};
use defender_fleet::{Tenants, TenantsFile};

use super::{clock::clock, variable::variable};
use crate::{failure::Failure, output::talk};

/// Name of the file in the folder of the program.
pub(super) const NAME: &str = "tenants.toml";
/// Program in the `User-Agent`.
pub(super) const PROGRAM: &str = concat!("defender-cli/", env!("CARGO_PKG_VERSION"));

/// Reads the profiles. No secret is read yet.
pub(super) fn tenants(path: &Path) -> Result<Tenants, Failure> {
    let file = TenantsFile::new()
        .secret_source(of_keyring)
        .device_code_prompt(|prompt| talk::say(&prompt.message))
        .browser(|url| {
            open_browser(url);
            Ok(())
        });
    let transport = transport()?;
    let managed: Arc<HyperTransport> = Arc::new(transport.link_local());
    let file = file
        .transport(transport)
        .client_settings(move |builder| builder.managed_identity_transport(Arc::clone(&managed)).clock(clock()));
    Ok(file.read(path)?)
}

/// Returns the transport of all tenants, with the CA of `DEFENDER_CA_FILE` beside those of the platform.
fn transport() -> Result<HyperTransport, Failure> {
    let mut builder = HyperTransport::builder().application(PROGRAM);
    if let Some(path) = variable("DEFENDER_CA_FILE")? {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::usage(format!(
                "DEFENDER_CA_FILE is {path}, which must be a PEM file with the certificate of a CA: {error}"
            ))
        };
        let pem = std::fs::read(&path).map_err(|error| wrong(&error))?;
        builder = builder.roots(Roots::platform().and_pem(pem).map_err(|error| wrong(&error))?);
    }
    builder.build().map_err(|error| Failure::usage(format!("the transport cannot be built: {error}")))
}

/// Reads a secret of the system's keyring.
#[cfg(feature = "keyring")]
fn of_keyring(name: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    let missing = |error: keyring::v1::Error| match error {
        keyring::v1::Error::NoEntry => {
            format!(
                "the keyring has no entry of service `defender` and user `{name}`; store it (`defender tenants --help`)"
            )
        }
        error => format!(
            "the keyring of this system cannot be used: {error}; unlock it, or start one (on Linux a Secret Service, such as \
             gnome-keyring), or use `secret_env` or `secret_file`"
        ),
    };
    let entry = keyring::v1::Entry::new("defender", name).map_err(missing)?;
    Ok(entry.get_password().map_err(missing)?)
}

#[cfg(not(feature = "keyring"))]
fn of_keyring(_: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    Err("this build has no keyring; install it with the feature `keyring`, or use `secret_env` or `secret_file`".into())
}

/// Opens a page in the browser of the user. Its address is also printed, for a terminal without one.
fn open_browser(url: &str) {
    talk::say(&format!("Sign in with a browser on this machine: {url}"));
    let (program, arguments): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("rundll32", &["url.dll,FileProtocolHandler"]),
        _ => ("xdg-open", &[]),
    };
    let mut command = std::process::Command::new(program);
    command.args(arguments).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Without a browser the person opens the address that was printed.
    let _opened = command.spawn();
}
