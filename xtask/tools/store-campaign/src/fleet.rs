//! Runs of a fleet: the plan of each tenant, halted and resumed at random, and undone at the end.

use std::{sync::Arc, time::Duration};

use defender_actions::{
    Journal,
    model::{Isolate, IsolationType},
};
use defender_emulator::FastClock;
use defender_fleet::{Error as FleetError, Fleet, Report, Stores, Targets, Tenant as FleetTenant, Tenants};
use defender_store::{RunId, RunStore};
use defender_transport::{Clock, QuotaStore};
use fastrand::Rng;
use futures_util::{StreamExt, future::join_all};
use xtask::Failure;

use crate::{
    client::{AGAIN, client},
    database::Store,
    order::{Note, Tenant},
    process::{broken, say},
    scaled::Scaled,
};

/// Comment of the actions of a run, and of those that undo it.
pub(crate) const DONE: &str = "a run of campaign C";
pub(crate) const UNDONE: &str = "a run of campaign C is undone";

/// Returns the fleet of all tenants. The name of a tenant is its number.
pub(crate) fn fleet(tenants: &[Tenant], clock: &FastClock, store: Store) -> Fleet {
    let stores = match store {
        Store::Sqlite(store) => stores(store),
        Store::Postgres(store) => stores(*store),
    };
    let tenants = tenants.iter().enumerate().fold(Tenants::default(), |all, (number, tenant)| {
        let (id, clock, tenant) = (tenant.id.clone(), clock.clone(), tenant.clone());
        let build =
            move || client(&tenant, &clock).map_err(|failure| FleetError::configuration(format!("{failure:?}")));
        all.with(FleetTenant::new(number.to_string(), id, build))
    });
    Fleet::new(tenants, stores)
}

fn stores<S: Journal + QuotaStore + RunStore + Clone + 'static>(store: S) -> Stores {
    let store = Arc::new(Scaled(store));
    Stores::new(Arc::clone(&store) as _, Arc::clone(&store) as _, store)
}

/// Works on runs until all of their rows have ended, halts notwithstanding.
pub(crate) async fn work(fleet: &Fleet, clock: &FastClock, runs: &[String]) {
    join_all(runs.iter().filter_map(|id| RunId::new(id)).map(|id| work_on(fleet, clock, id))).await;
    say(&Note::Done);
}

async fn work_on(fleet: &Fleet, clock: &FastClock, id: RunId) {
    loop {
        match fleet.run(&id).await {
            Ok(run) => {
                let mut events = run.events();
                while let Some(event) = events.next().await {
                    match event {
                        Ok(event) => eprintln!("{event}"),
                        Err(error) => eprintln!("run {id}: {error}"),
                    }
                }
                if run.summary().await.is_ok_and(|summary| summary.counts.open() == 0) {
                    return;
                }
            }
            Err(error) => eprintln!("run {id}: {error}"),
        }
        clock.sleep(AGAIN).await;
    }
}

/// The person who starts, halts, resumes and undoes the runs.
pub(crate) struct Operator {
    fleet: Fleet,
    clock: FastClock,
    runtime: tokio::runtime::Runtime,
}

impl Operator {
    pub(crate) fn new(tenants: &[Tenant], origin: &str, store: &str) -> Result<Self, Failure> {
        let broken = broken("the operator");
        let clock = FastClock::since(origin.parse().map_err(|error: jiff::Error| broken(&error))?, crate::order::SPEED);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| broken(&error))?;
        let store = runtime.block_on(Store::connect(store)).map_err(|error| broken(&error))?;
        let fleet = runtime.block_on(async { fleet(tenants, &clock, store) });
        Ok(Self { fleet, clock, runtime })
    }

    /// Starts the run of each tenant: an isolation of all its machines.
    pub(crate) fn start(&self, tenants: &[Tenant]) -> Result<Vec<String>, Failure> {
        let start = |number: usize, tenant: &Tenant| {
            let (name, machines) = (number.to_string(), tenant.machine_ids.clone());
            async move {
                let comment = Isolate::new(DONE, IsolationType::Full);
                let isolate = comment.map_err(|error| FleetError::configuration(error.to_string()))?;
                let most = u32::try_from(machines.len()).unwrap_or(u32::MAX);
                let plan = self.fleet.plan(&name)?.targets(Targets::ids(machines)).action(isolate).max_machines(most);
                let approved = plan.waves([1, 10, 50]).resolve().await?.approved_by("campaign", "C")?;
                Ok(self.fleet.start(&approved).await?.id().to_string())
            }
        };
        tenants
            .iter()
            .enumerate()
            .map(|(number, tenant)| self.until_the_store_responds(|| start(number, tenant)))
            .collect()
    }

    /// Halts a run or resumes it. Returns whether it was halted.
    pub(crate) fn halt_or_resume(&self, rng: &mut Rng, runs: &[String]) -> Result<bool, Failure> {
        let Some(id) = rng.choice(runs).and_then(|id| RunId::new(id)) else { return Ok(false) };
        self.until_the_store_responds(|| async {
            let run = self.fleet.run(&id).await?;
            if run.summary().await?.halted.is_some() {
                self.fleet.resume(&id).await?;
                return Ok(false);
            }
            run.halt("at random").await?;
            Ok(true)
        })
    }

    /// Resumes all runs.
    pub(crate) fn resume(&self, runs: &[String]) -> Result<(), Failure> {
        for id in runs.iter().filter_map(|id| RunId::new(id)) {
            self.until_the_store_responds(|| async { self.fleet.resume(&id).await.map(|_run| ()) })?;
        }
        Ok(())
    }

    /// Starts the runs that undo these.
    pub(crate) fn undo(&self, runs: &[String]) -> Result<Vec<String>, Failure> {
        let ids: Vec<_> = runs.iter().filter_map(|id| RunId::new(id)).collect();
        ids.iter()
            .map(|id| {
                self.until_the_store_responds(|| async {
                    let plan = self.fleet.run(id).await?.revert(UNDONE).await?;
                    let approved = plan.approved_by("campaign", "C")?;
                    Ok(self.fleet.start(&approved).await?.id().to_string())
                })
            })
            .collect()
    }

    pub(crate) fn reports(&self, runs: &[String]) -> Result<Vec<Report>, Failure> {
        let ids: Vec<_> = runs.iter().filter_map(|id| RunId::new(id)).collect();
        ids.iter()
            .map(|id| self.until_the_store_responds(|| async { self.fleet.run(id).await?.report().await }))
            .collect()
    }

    /// Repeats what failed because the database was away.
    fn until_the_store_responds<T, F: Future<Output = Result<T, FleetError>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Result<T, Failure> {
        self.runtime.block_on(async {
            let mut tries = 0;
            loop {
                match ask().await {
                    Ok(answer) => return Ok(answer),
                    Err(error) if tries == 60 => return Err(wrong(error)),
                    Err(_) => tries += 1,
                }
                self.clock.sleep(Duration::from_secs(6)).await;
            }
        })
    }
}

fn wrong(error: impl std::fmt::Display) -> Failure {
    Failure::broken("the operator", error)
}
