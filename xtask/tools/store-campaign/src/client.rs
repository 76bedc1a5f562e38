//! The client of a tenant, over the real transport.

use std::time::Duration;

use defender_actions::{DefenderClient, DefenderClientBuilder, auth::ClientSecretCredential};
use defender_emulator::FastClock;
use defender_transport::{HyperTransport, Roots};
use xtask::Failure;

use crate::{order::Tenant, process::broken};

/// Delay before an action is tried or looked at again, on the client's clock.
pub(crate) const AGAIN: Duration = Duration::from_secs(8);

/// Returns the client of a tenant, without journal and quota.
pub(crate) fn client(tenant: &Tenant, clock: &FastClock) -> Result<DefenderClientBuilder, Failure> {
    let broken = broken("a client");
    let pem = std::fs::read(&tenant.ca_file).map_err(|error| broken(&error))?;
    let roots = Roots::pem(pem).map_err(|error| broken(&error))?;
    let transport = HyperTransport::builder().roots(roots).build().map_err(|error| broken(&error))?;
    Ok(DefenderClient::builder()
        .credential(ClientSecretCredential::new(&tenant.id, &tenant.client_id, &tenant.client_secret))
        .base_url(&tenant.base_url)
        .authority(&tenant.authority)
        .audience(&tenant.audience)
        .transport(transport)
        .clock(clock.clone())
        .visibility_timeout(Duration::from_secs(40))
        .total_timeout(Duration::from_secs(180)))
}
