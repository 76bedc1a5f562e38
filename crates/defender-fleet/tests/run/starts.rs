//! Starts of runs, and runs that are worked on later than planned.

use std::time::Duration;

use defender_emulator::{Fault, Operation};
use defender_fleet::{ErrorKind, Fleet, RetryRows, Tenants};

use crate::world::{World, counts};

const LONG: Duration = Duration::from_secs(7_200);

#[tokio::test]
async fn approved_plan_has_one_run() {
    let world = World::new(3);
    let plan = world.release().approved();
    let first = world.fleet().start(&plan).await.unwrap();
    let second = world.fleet().start(&plan).await.unwrap();
    assert_eq!((first.id(), world.fleet().runs(9).await.unwrap().len()), (second.id(), 1));
    for run in [&first, &second] {
        assert_eq!(counts(&world.run(run.finish()).await.unwrap()), (3, 0, 0, 0));
    }
    world.each_machine_has_one_action();
    // Another approval is another run.
    let mut other = plan.clone();
    other.ticket = "CHG-13".to_owned();
    let third = world.fleet().start(&other).await.unwrap();
    assert_ne!(third.id(), first.id());
    assert_eq!(third.approved().ticket, "CHG-13");
}

#[tokio::test]
async fn lapsed_run_sends_nothing() {
    let world = World::new(3);
    let run = world.start(&world.release()).await;
    world.clock.advance(LONG);
    let error = world.run(run.finish()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PlanLapsed);
    assert!(error.to_string().contains("before anything was sent"), "{error}");
    let resumed = world.fleet().resume(run.id()).await.unwrap();
    assert_eq!(world.run(resumed.finish()).await.unwrap_err().kind(), ErrorKind::PlanLapsed);
    assert_eq!(world.entries().len(), 0);
}

#[tokio::test]
async fn run_that_began_goes_on() {
    let world = World::new(3);
    world.emulator.fault(Fault::ResetBeforeEffect).on(Operation::UnrestrictCodeExecution).times(3);
    let run = world.start(&world.release()).await;
    assert_eq!(counts(&world.run(run.finish()).await.unwrap()), (0, 0, 3, 0));
    world.clock.advance(LONG);
    assert_eq!(run.retry(RetryRows::Unknown).await.unwrap(), 3);
    assert_eq!(counts(&world.run(run.finish()).await.unwrap()), (3, 0, 0, 0));
}

#[tokio::test]
async fn run_of_another_api_sends_nothing() {
    let world = World::new(3);
    let run = world.start(&world.release()).await;
    let tenants = Tenants::default().with(world.tenant_at("contoso", "https://api-gcc.securitycenter.microsoft.us"));
    let fleet = Fleet::new(tenants, world.stores.clone());
    let found = fleet.run(run.id()).await.unwrap();
    let error = world.run(found.finish()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PlanOfAnotherTenant, "{error}");
    assert!(error.to_string().contains("https://api-gcc"), "{error}");
}
