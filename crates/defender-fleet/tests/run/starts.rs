//! Starts of runs, and runs that are worked on later than planned.

use crate::world::{World, counts};

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
