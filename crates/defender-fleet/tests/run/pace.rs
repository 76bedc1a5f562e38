//! The time and the calls of a run, against the quota.

use std::time::Duration;

use defender_fleet::RunEventKind as Kind;

use crate::world::{World, counts, number};

const MINUTE: f64 = 60.0;

/// Runs a plan for this many machines, and returns its duration in seconds and the calls beside its POSTs.
async fn paced(machines: u32) -> (f64, usize, Vec<defender_fleet::RunEvent>) {
    let world = World::new(machines);
    let run = world.start(&world.release()).await;
    let (events, report) = world.finish(&run).await;
    assert_eq!(counts(&report), (machines, 0, 0, 0));
    world.each_machine_has_one_action();
    assert!(world.entries().iter().all(|entry| entry.status != 429), "over the quota");
    (world.clock_seconds(), world.reads(), events)
}

#[tokio::test]
async fn thousand_machines_keep_the_quota_busy() {
    let (took, reads, events) = paced(1_000).await;
    println!("1,000 machines: {took} s, {reads} calls beside the POSTs");
    let ideal = 9.0 * MINUTE;
    assert!(took <= ideal * 1.02, "{took} s, and the ideal is {ideal} s");
    assert!(reads <= 80, "{reads} calls");
    assert_eq!(number(&events, |kind| matches!(kind, Kind::Sent { .. })), 1_000);
    assert_eq!(number(&events, |kind| matches!(kind, Kind::Submitted { .. })), 1_000);
    assert_eq!(number(&events, |kind| matches!(kind, Kind::Succeeded { .. })), 1_000);
    assert!(matches!(events.last().unwrap().kind, Kind::Ended { .. }));
}

#[tokio::test]
async fn five_thousand_machines_wait_for_the_hour() {
    let (took, reads, events) = paced(5_000).await;
    println!("5,000 machines: {took} s, {reads} calls beside the POSTs");
    let ideal = (3.0 * 60.0 + 4.0) * MINUTE;
    assert!(took <= ideal * 1.02, "{took} s, and the ideal is {ideal} s");
    assert!(reads <= 450, "{reads} calls");
    assert_eq!(number(&events, |kind| matches!(kind, Kind::WaitingForQuota { .. })), 3);
}

/// Actions that take as long as on real machines: some are pending all the time.
#[tokio::test]
async fn slow_actions_cost_few_lists() {
    let world = World::with(1_000, |emulator| emulator.running_for(Duration::from_secs(300)));
    let run = world.start(&world.release()).await;
    let (_, report) = world.finish(&run).await;
    assert_eq!(counts(&report), (1_000, 0, 0, 0));
    let (took, reads) = (world.clock_seconds(), world.reads());
    println!("1,000 machines with actions of 5 min: {took} s, {reads} calls beside the POSTs");
    assert!(took <= 9.0 * MINUTE * 1.02 + 331.0, "{took} s");
    assert!(reads <= 80, "{reads} calls");
}
