//! The client's knowledge of the service's clock with slow responses.

use std::time::Duration;

use defender_actions::{Origin, transport::Clock};
use defender_emulator::{Duplicates, Fault, Operation};

use crate::world::{HOUR, World};

#[tokio::test]
async fn slow_body_keeps_older_action_joined() {
    let world = World::with(|emulator| emulator.duplicates(Duplicates::Join).running_for(HOUR));
    let (ours, another) = (world.client(), world.client());
    let machine = || world.machine();
    let theirs = world.run(another.machine(machine()).isolate("Cleaned").send()).await.unwrap();
    world.clock.advance(Duration::from_secs(15));
    // The head of this response is received immediately, and the body takes more than a quarter of a minute.
    let slow = Fault::SlowBytes(Duration::from_millis(30));
    world.emulator.fault(slow).on(Operation::Isolate).times(1);
    let before = world.clock.elapsed();
    let submitted = world.run(ours.machine(machine()).isolate("Cleaned").send()).await.unwrap();
    assert!(world.clock.elapsed().saturating_sub(before) > Duration::from_secs(15), "{:?}", world.clock.elapsed());
    assert_eq!((submitted.id(), submitted.origin()), (theirs.id(), Origin::Joined));
}
