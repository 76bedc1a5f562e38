//! The check of a plan before its run.

use defender_actions::model::sanitize_line;

use super::{
    Plan,
    file::{changed, check_version},
};
use crate::{Error, ErrorKind, Fleet};

/// Longest part of the plan in an error, in characters.
const SHOWN: usize = 200;

impl Plan {
    /// Checks that the plan may be run by this fleet now. Nothing is sent. The start of a run does it.
    ///
    /// # Errors
    ///
    /// | kind | the plan |
    /// |---|---|
    /// | [`PlanVersion`](ErrorKind::PlanVersion) | has the form of a newer version |
    /// | [`PlanChanged`](ErrorKind::PlanChanged) | was changed after it was made |
    /// | [`UnknownTenant`](ErrorKind::UnknownTenant) | names a tenant that the fleet does not have |
    /// | [`PlanOfAnotherTenant`](ErrorKind::PlanOfAnotherTenant) | has another tenant id or API than the fleet has under this name |
    /// | [`TooManyMachines`](ErrorKind::TooManyMachines) | has more machines than its maximum |
    /// | [`PlanLapsed`](ErrorKind::PlanLapsed) | has lapsed |
    /// | [`Configuration`](ErrorKind::Configuration) | is for a tenant whose client cannot be built |
    pub fn check(&self, fleet: &Fleet) -> Result<(), Error> {
        let name = format!("the plan for tenant `{}`", sanitize_line(&self.tenant, SHOWN));
        check_version(&name, Some(self.version.into()))?;
        if self.computed_hash() != self.hash {
            return Err(changed(&name));
        }
        let tenant_id = fleet.tenants().get(&self.tenant)?.id();
        let client = fleet.client(&self.tenant)?;
        self.check_address(&name, ("tenant", &self.tenant_id, tenant_id))?;
        self.check_address(&name, ("API", &self.api, client.base_url()))?;
        let (machines, max) = (self.rows.len(), self.max_machines);
        if u64::try_from(machines).unwrap_or(u64::MAX) > max.into() {
            let what =
                format!("{name} has {machines} machines, and its maximum is {max}; raise it with `.max_machines(..)`");
            return Err(Error::new(ErrorKind::TooManyMachines, what));
        }
        let now = client.clock().now();
        if now > self.lapses_at {
            let what = format!("{name} lapsed at {:.0}, and it is {now:.0}; resolve it anew", self.lapses_at);
            return Err(Error::new(ErrorKind::PlanLapsed, what));
        }
        Ok(())
    }

    fn check_address(&self, name: &str, (what, of_plan, of_fleet): (&str, &str, &str)) -> Result<(), Error> {
        if of_plan.eq_ignore_ascii_case(of_fleet) {
            return Ok(());
        }
        let what = format!(
            "{name} is for the {what} {}, and `{}` of this fleet is {of_fleet}; resolve the plan with this fleet",
            sanitize_line(of_plan, SHOWN),
            sanitize_line(&self.tenant, SHOWN)
        );
        Err(Error::new(ErrorKind::PlanOfAnotherTenant, what))
    }
}
