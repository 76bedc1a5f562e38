//! The builder of plans.

use std::time::Duration;

use super::{
    Plan,
    resolve::resolve,
    settings::{Reverts, Settings},
};
use crate::{Error, Fleet, FleetAction, Targets};

impl Fleet {
    /// Returns the builder of a plan in a tenant. Nothing is sent.
    ///
    /// ```no_run
    /// use defender_actions::model::UnrestrictCodeExecution;
    /// use defender_fleet::{Fleet, Targets};
    ///
    /// # async fn example(fleet: Fleet) -> Result<(), Box<dyn std::error::Error>> {
    /// let plan = fleet
    ///     .plan("contoso")?
    ///     .targets(Targets::csv("hosts.csv", "name")?.and(Targets::tag("wave-2")))
    ///     .exclude_tag("critical")
    ///     .action(UnrestrictCodeExecution::new("INC-4711: cleaned and validated")?)
    ///     .max_machines(200)
    ///     .waves([1, 10, 50])
    ///     .halt_after(3)
    ///     .resolve()
    ///     .await?;
    /// println!("{plan}");
    /// plan.save("plan.json")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`UnknownTenant`](crate::ErrorKind::UnknownTenant).
    pub fn plan(&self, tenant: &str) -> Result<PlanBuilder, Error> {
        self.tenants().get(tenant)?;
        Ok(PlanBuilder { fleet: self.clone(), tenant: tenant.to_owned(), settings: Settings::default() })
    }
}

/// Builder of a [`Plan`]. Nothing is read before [`resolve`](Self::resolve). Targets and an action are required.
#[derive(Clone, Debug)]
#[must_use = "nothing is read until `resolve`"]
pub struct PlanBuilder {
    fleet: Fleet,
    tenant: String,
    settings: Settings,
}

impl PlanBuilder {
    /// Adds targets.
    pub fn targets(mut self, targets: Targets) -> Self {
        let before = std::mem::take(&mut self.settings.targets);
        self.settings.targets = before.and(targets);
        self
    }

    /// Sets the action on each machine.
    pub fn action(mut self, action: impl Into<FleetAction>) -> Self {
        self.settings.action = Some(action.into());
        self
    }

    /// Leaves out the machines with this tag, in any letter case. A tag that no target has is a warning of the plan.
    pub fn exclude_tag(mut self, tag: impl Into<String>) -> Self {
        self.settings.excluded_tags.push(tag.into());
        self
    }

    /// Sets the largest number of machines. A run of a plan with more is refused. Default: 25.
    pub fn max_machines(mut self, machines: u32) -> Self {
        self.settings.max_machines = machines;
        self
    }

    /// Sets the numbers of machines in the waves, the last of which repeats: `[1, 10, 50]` is 1, 10, 50, 50 and so on. Default: one wave
    /// with all machines.
    pub fn waves(mut self, sizes: impl IntoIterator<Item = u32>) -> Self {
        self.settings.waves = sizes.into_iter().collect();
        self
    }

    /// Sets the number of failed and unknown rows at which the run halts. Default: the run does not halt by itself.
    pub fn halt_after(mut self, failures: u32) -> Self {
        self.settings.halt_after = Some(failures);
        self
    }

    /// Sets the time after which the plan is refused. Default: 1 h.
    pub fn lapses_after(mut self, time: Duration) -> Self {
        self.settings.lapses_after = time;
        self
    }

    /// Keeps machines that are already in the state, with a warning. Default: they are left out.
    pub fn even_if_already_done(mut self) -> Self {
        self.settings.even_if_already_done = true;
        self
    }

    /// Keeps machines that have not reported for a week, with a warning. Default: they are left out, since an action would wait for
    /// such a machine for up to three days, and its wave with it.
    pub fn even_if_inactive(mut self) -> Self {
        self.settings.even_if_inactive = true;
        self
    }

    /// Adds a warning to each machine with this tag, in any letter case: for machines behind a proxy, Hyper-V hosts and the like, of
    /// which no record of the service tells.
    ///
    /// ```no_run
    /// # fn example(builder: defender_fleet::PlanBuilder) -> defender_fleet::PlanBuilder {
    /// builder.warn_tag("hyper-v", "isolation also disconnects the virtual machines of this host")
    /// # }
    /// ```
    pub fn warn_tag(mut self, tag: impl Into<String>, warning: impl Into<String>) -> Self {
        self.settings.tag_warnings.push((tag.into(), warning.into()));
        self
    }

    /// Marks the plan as the reverse of a run.
    pub(crate) fn reverts(mut self, run: Reverts) -> Self {
        self.settings.reverts = Some(run);
        self
    }

    /// Reads the machines, the history of their actions and the token, and makes the plan. Nothing is changed in the service.
    ///
    /// Calls for 1,000 names or ids: one for each 10,000 machines of the tenant, and one for each 10,000 actions of the type and of
    /// its inverse. Up to ten names take up to three calls each, and up to 50 ids one call together.
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) of the plan or the tenant, and [`Service`](crate::ErrorKind::Service) if a
    /// call failed. A target that is no machine is no error: see [`Plan::left_out`].
    pub fn resolve(self) -> impl Future<Output = Result<Plan, Error>> + Send + 'static {
        async move { resolve(&self.fleet, &self.tenant, self.settings).await }
    }
}
