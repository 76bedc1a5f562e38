//! The state of a tenant's machines, read from the service.

use super::{change::CHANGING, machine_state::StateNow};
use crate::{
    Error, Fleet,
    reads::{Reach, history, machines_by_id, service_error},
};

impl Fleet {
    /// Reads which machines of a tenant are isolated, contained or restricted now. Nothing is changed.
    ///
    /// The calls: one for each 10,000 isolations, releases, restrictions and removals of restrictions in the history, and one for the records
    /// of up to 50 machines in such a state; if there are more, one for each 10,000 machines of the tenant. See [`StateNow::fold`] for the
    /// rules.
    ///
    /// # Errors
    ///
    /// [`UnknownTenant`](crate::ErrorKind::UnknownTenant), [`Configuration`](crate::ErrorKind::Configuration) of the tenant, and
    /// [`Service`](crate::ErrorKind::Service) if a call failed.
    pub async fn state_now(&self, tenant: &str) -> Result<StateNow, Error> {
        let client = self.client(tenant)?;
        let failed = |error| service_error(tenant, error);
        let changes = history(&client, &CHANGING, Reach::All, &[]).await.map_err(failed)?;
        let now = client.clock().now();
        let read = machines_by_id(&client, changes.machines_to_read(now)).await.map_err(failed)?;
        Ok(changes.state(&read.machines, now))
    }
}
