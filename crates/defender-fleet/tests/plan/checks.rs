//! Checks of a plan before its run, and its approval.

use std::time::Duration;

use defender_actions::transport::Clock;
use defender_fleet::{ErrorKind, Fleet, Plan, Stores, Targets, Tenants};

use crate::world::World;

fn refused(plan: &Plan, fleet: &Fleet, kind: ErrorKind, why: &str) {
    let error = plan.check(fleet).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(why), "{error}");
}

#[tokio::test]
async fn lapsed_plan_is_refused() {
    let world = World::machines(3);
    let (plan, fleet) = (world.plan().await, world.fleet());
    world.clock.sleep(Duration::from_secs(3_600)).await;
    plan.check(&fleet).unwrap();
    world.clock.sleep(Duration::from_secs(1)).await;
    refused(&plan, &fleet, ErrorKind::PlanLapsed, "lapsed at 2026-01-01T13:00:00Z, and it is 2026-01-01T13:00:01Z");
    let builder = world.unrestrict(Targets::ids(world.emulator.machine_ids()));
    let plan = builder.lapses_after(Duration::from_secs(60)).resolve().await.unwrap();
    world.clock.sleep(Duration::from_secs(61)).await;
    refused(&plan, &fleet, ErrorKind::PlanLapsed, "resolve it anew");
}

#[tokio::test]
async fn changed_plan_is_refused() {
    let world = World::machines(3);
    let (plan, fleet) = (world.plan().await, world.fleet());
    let edits: [fn(&mut Plan); 6] = [
        |plan| plan.rows.truncate(1),
        |plan| plan.max_machines = 1_000,
        |plan| plan.halt_after = Some(7),
        |plan| plan.tenant = "fabrikam".to_owned(),
        |plan| plan.lapses_at = plan.lapses_at.checked_add(jiff::SignedDuration::from_hours(1)).unwrap(),
        |plan| plan.hash.clear(),
    ];
    for edit in edits {
        let mut edited = plan.clone();
        edit(&mut edited);
        refused(&edited, &fleet, ErrorKind::PlanChanged, "was changed after it was made");
    }
}

#[tokio::test]
async fn plan_of_another_tenant_is_refused() {
    let world = World::machines(3);
    let plan = world.plan().await;
    let other = world.fleet_of("7e4a47d0-0000-4000-8000-00000000000f");
    refused(
        &plan,
        &other,
        ErrorKind::PlanOfAnotherTenant,
        "`contoso` of this fleet is 7e4a47d0-0000-4000-8000-00000000000f",
    );
    let none = Fleet::new(Tenants::default(), Stores::memory(world.clock.clone()));
    refused(&plan, &none, ErrorKind::UnknownTenant, "there is no tenant `contoso`");
    let elsewhere = world.fleet_at("https://api-gcc.securitycenter.microsoft.us");
    refused(&plan, &elsewhere, ErrorKind::PlanOfAnotherTenant, "for the API https://defender-emulator.test/api");
}

#[tokio::test]
async fn plan_over_its_maximum_is_refused() {
    let world = World::machines(60);
    let plan = world.plan().await;
    refused(&plan, &world.fleet(), ErrorKind::TooManyMachines, "has 40 machines, and its maximum is 25");
}

#[tokio::test]
async fn newer_form_is_refused() {
    let world = World::machines(3);
    let mut plan = world.plan().await;
    plan.version = 2;
    refused(&plan, &world.fleet(), ErrorKind::PlanVersion, "form 2");
}

#[tokio::test]
async fn approval_needs_person_and_ticket() {
    let world = World::machines(3);
    let plan = world.plan().await;
    for (approver, ticket, why) in [(" ", "CHG-12", "approver"), ("jo@contoso.example", "", "ticket")] {
        let error = plan.clone().approved_by(approver, ticket).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(&format!("the {why} of the plan is blank")), "{error}");
    }
    let approved = plan.clone().approved_by(" jo@contoso.example", "CHG-12 ").unwrap();
    assert_eq!((&*approved.approver, &*approved.ticket, &approved.plan), ("jo@contoso.example", "CHG-12", &plan));
}
