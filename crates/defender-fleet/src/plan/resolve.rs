//! The making of a plan: reads, guards, waves and estimate.

use std::collections::BTreeMap;

use defender_actions::{
    DefenderClient, PreflightReport,
    model::{ActionType, IsolationType},
};
use jiff::{SignedDuration, Timestamp};

use super::{
    LeftOut, Plan, PlanPermissions, PlanRow,
    estimate::shortest_time,
    guards::{CONTAINED, Guards, counted},
    machines::{Found, FoundMachine, find},
    settings::Settings,
    waves::waves,
};
use crate::{
    Error, Fleet, FleetAction,
    reads::{Reach, history, service_error},
    state::MachineChanges,
};

/// Reads what the settings name, and makes the plan.
pub(super) async fn resolve(fleet: &Fleet, tenant: &str, settings: Settings) -> Result<Plan, Error> {
    let action = settings.valid()?;
    let client = fleet.client(tenant)?;
    let tenant_id = fleet.tenants().get(tenant)?.id().to_owned();
    let failed = |error| service_error(tenant, error);
    let report = action.preflight(client.preflight()).tenant(&*tenant_id).await.map_err(failed)?;
    let found = find(&client, &settings.targets.items).await.map_err(failed)?;
    let mut guards = Guards::new(&settings, &action);
    let Judged { kept, mut left_out } = by_record(&mut guards, found);
    let changes = read_history(&client, &action, &kept).await.map_err(failed)?;
    let now = client.clock().now();
    let mut rows = by_history(&guards, (&changes, now), kept, &mut left_out);
    for (wave, row) in waves(&settings.waves, rows.len()).into_iter().zip(&mut rows) {
        row.wave = wave;
    }
    let mut warnings = own_warnings(&settings, &action, rows.len());
    warnings.extend(history_warnings(&action, (&changes, now), rows.len()));
    warnings.extend(guards.warnings());
    let (reverts, of_run) = settings.reverts.clone().map(|reverts| (reverts.run, reverts.left_out)).unzip();
    left_out.extend(of_run.into_iter().flatten());
    let mut plan = Plan {
        version: Plan::VERSION,
        tenant: tenant.to_owned(),
        tenant_id,
        api: client.base_url().to_owned(),
        permissions: permissions(&action, &report),
        shortest_time: duration(shortest_time(action.info().quota, rows.len())),
        action,
        rows,
        left_out,
        max_machines: settings.max_machines,
        halt_after: settings.halt_after,
        history_from: changes.reaches_back_to(),
        warnings,
        reverts,
        resolved_at: now,
        lapses_at: now.checked_add(duration(settings.lapses_after)).unwrap_or(Timestamp::MAX),
        other: BTreeMap::new(),
        hash: String::new(),
    };
    plan.seal();
    Ok(plan)
}

/// Machines that the guards keep, with their warnings, and those that they leave out.
struct Judged {
    kept: Vec<(FoundMachine, Vec<String>)>,
    left_out: Vec<LeftOut>,
}

fn by_record(guards: &mut Guards<'_>, found: Found) -> Judged {
    let mut judged = Judged { kept: Vec::with_capacity(found.machines.len()), left_out: found.left_out };
    for found in found.machines {
        match guards.by_record(&found.machine) {
            Ok(warnings) => judged.kept.push((found, warnings)),
            Err(reason) => judged.left_out.push(found.left_out(reason)),
        }
    }
    judged
}

fn by_history(
    guards: &Guards<'_>,
    (changes, now): (&MachineChanges, Timestamp),
    kept: Vec<(FoundMachine, Vec<String>)>,
    left_out: &mut Vec<LeftOut>,
) -> Vec<PlanRow> {
    let mut rows = Vec::with_capacity(kept.len());
    for (found, mut warnings) in kept {
        match guards.by_history(&found.machine.id, &changes.folded(&found.machine.id, Some(&found.machine), now)) {
            Ok(more) => {
                warnings.extend(more);
                let (machine_id, name) = (found.machine.id, found.machine.computer_dns_name);
                rows.push(PlanRow { machine_id, name, wave: 0, warnings });
            }
            Err(reason) => left_out.push(found.left_out(reason)),
        }
    }
    rows
}

/// Reads the actions of the type of the plan and of its inverse. Those of a type without an inverse matter while they are pending.
async fn read_history(
    client: &DefenderClient,
    action: &FleetAction,
    kept: &[(FoundMachine, Vec<String>)],
) -> Result<MachineChanges, defender_actions::Error> {
    if kept.is_empty() {
        return Ok(MachineChanges::default());
    }
    let info = action.info();
    let types: Vec<_> = std::iter::once(info.action_type).chain(info.inverse).map(ActionType::from).collect();
    let reach = if info.inverse.is_some() { Reach::All } else { Reach::Pending };
    // The number of contained devices is that of the tenant.
    let of_tenant = is_containment(action);
    let machines: Vec<_> = kept.iter().filter(|_| !of_tenant).map(|(found, _)| &found.machine.id).collect();
    history(client, &types, reach, &machines).await
}

fn is_containment(action: &FleetAction) -> bool {
    action.isolation_type() == Some(&IsolationType::UnManagedDevice)
}

/// Warnings about the plan itself.
fn own_warnings(settings: &Settings, action: &FleetAction, rows: usize) -> Vec<String> {
    let max = settings.max_machines;
    let too_many = u64::try_from(rows).unwrap_or(u64::MAX) > max.into();
    let warnings = [
        (rows == 0).then(|| "the plan has no machine".to_owned()),
        too_many.then(|| {
            let rows = counted(rows);
            format!(
                "the plan has {rows} and its maximum is {max}, so a run is refused; raise it with `.max_machines(..)`"
            )
        }),
        matches!(action, FleetAction::Offboard(_)).then(|| "no action of the API undoes an offboarding".to_owned()),
    ];
    warnings.into_iter().flatten().collect()
}

/// Warnings of the history.
fn history_warnings(action: &FleetAction, (changes, now): (&MachineChanges, Timestamp), rows: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    if changes.unreadable > 0 {
        warnings.push(format!(
            "{} records of actions could not be read, so the state of a machine may be another",
            changes.unreadable
        ));
    }
    let contained = if is_containment(action) { changes.contained(now) } else { 0 };
    if is_containment(action) && contained.saturating_add(rows) > CONTAINED {
        warnings.push(format!(
            "{contained} devices are contained and the plan contains {rows} more: at most {CONTAINED} should be contained at a time"
        ));
    }
    warnings
}

fn permissions(action: &FleetAction, report: &PreflightReport) -> PlanPermissions {
    let info = action.info();
    let is_user = report.claims.as_ref().is_some_and(|claims| !claims.scopes.is_empty());
    let any_of = if is_user { info.delegated_permissions } else { info.permissions };
    PlanPermissions {
        any_of: any_of.iter().map(ToString::to_string).collect(),
        missing: report.issues.iter().map(ToString::to_string).collect(),
        is_known: report.claims.is_some(),
    }
}

fn duration(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
