//! Halts: by a person, and by failures.

use std::time::Duration;

use defender_actions::transport::Clock;
use defender_emulator::{ErrorCode, Fault, Operation, Outcome, RetryAfter};
use defender_fleet::{ReportState, RunEventKind as Kind};
use futures_util::StreamExt;

use crate::world::{World, counts, number};

const FAILED: Outcome = Outcome::Failed { error_hresult: -2_147_024_891 };

#[tokio::test]
async fn halt_sends_nothing_new() {
    for other_fleet in [false, true] {
        let world = World::new(300);
        let run = world.start(&world.release()).await;
        let halting = if other_fleet { world.fleet().run(run.id()).await.unwrap() } else { run.clone() };
        let mut events = run.events();
        // In the middle of the first minute's requests.
        let mut sent = 0;
        while sent < 40 {
            let event = world.run(events.next()).await.unwrap().unwrap();
            sent += usize::from(matches!(event.kind, Kind::Sent { .. }));
        }
        world.run(halting.halt("the wrong machines")).await.unwrap();
        let before = world.entries().len();
        let rest: Vec<_> = world.run(events.collect::<Vec<_>>()).await;
        let rest: Vec<_> = rest.into_iter().map(Result::unwrap).collect();
        assert_eq!(world.entries().len(), before, "sent after the halt");
        assert_eq!(number(&rest, |kind| matches!(kind, Kind::Halted { reason } if reason == "the wrong machines")), 1);
        let report = run.report().await.unwrap();
        let sent = u32::try_from(before).unwrap();
        assert_eq!(counts(&report), (sent, 0, 0, 300 - sent), "what was sent is waited for");
        assert!(world.clock.elapsed() < Duration::from_secs(30), "the halt is prompt");
        // Working on a halted run sends nothing.
        world.run(run.finish()).await.unwrap();
        assert_eq!(world.entries().len(), before);
        let resumed = world.fleet().resume(run.id()).await.unwrap();
        let report = world.run(resumed.finish()).await.unwrap();
        assert_eq!((counts(&report), report.halted), ((300, 0, 0, 0), None));
        world.each_machine_has_one_action();
    }
}

/// A request that was refused with a 429 waits for its next attempt, which is not sent after a halt.
#[tokio::test]
async fn halt_stops_the_second_attempt() {
    let world = World::new(3);
    world
        .emulator
        .fault(Fault::TooManyRequests(RetryAfter::Seconds(20)))
        .on(Operation::UnrestrictCodeExecution)
        .times(1);
    let run = world.start(&world.release()).await;
    let halts = async {
        world.clock.sleep(Duration::from_secs(10)).await;
        run.halt("stop").await.unwrap();
        world.entries().len()
    };
    let (events, before) = world.run(futures_util::future::join(run.events().collect::<Vec<_>>(), halts)).await;
    assert!(events.iter().all(Result::is_ok));
    assert_eq!(world.entries().len(), before);
    let report = run.report().await.unwrap();
    let refused = world.entries().iter().filter(|entry| entry.status == 429).count();
    assert_eq!((refused, report.counts.planned as usize), (1, 3 - (before - refused)), "{report}");
    let resumed = world.fleet().resume(run.id()).await.unwrap();
    assert_eq!(counts(&world.run(resumed.finish()).await.unwrap()), (3, 0, 0, 0));
    world.each_machine_has_one_action();
}

#[tokio::test]
async fn failures_halt_the_run() {
    let world = World::new(1_000);
    world.emulator.outcome(FAILED);
    let run = world.start(&world.release().halt_after(3)).await;
    let (events, report) = world.finish(&run).await;
    // The failures are seen after some seconds, in which the first hundred requests were sent.
    assert_eq!(counts(&report), (0, 100, 0, 900));
    assert_eq!(world.entries().len(), 100);
    assert_eq!(report.halted.as_deref(), Some("3 of 1000 rows failed"));
    assert_eq!(number(&events, |kind| matches!(kind, Kind::Halted { .. })), 1);
    let sent_after = events.iter().skip_while(|event| !matches!(event.kind, Kind::Halted { .. }));
    assert_eq!(sent_after.filter(|event| matches!(event.kind, Kind::Sent { .. })).count(), 0);
}

#[tokio::test]
async fn refusals_halt_at_once() {
    let world = World::new(1_000);
    world.emulator.fault(Fault::Code(ErrorCode::DisabledFeature)).on(Operation::UnrestrictCodeExecution).times(999);
    let run = world.start(&world.release().halt_after(3)).await;
    let (_, report) = world.finish(&run).await;
    let sent = world.entries().len();
    assert!((3..=32).contains(&sent), "{sent} requests, and 32 are in flight at most");
    assert_eq!((report.counts.failed as usize, report.counts.planned as usize), (sent, 1_000 - sent));
    let failed = report.in_state(ReportState::Failed).next().unwrap();
    let error = failed.error.as_ref().unwrap();
    assert_eq!((error.kind.as_str(), failed.tenant.as_str()), ("forbidden", "contoso"));
    assert!(error.advice.as_deref().unwrap().contains("Advanced features"), "{error:?}");
}

#[tokio::test]
async fn failing_wave_keeps_the_next_one() {
    let world = World::new(50);
    let first = world.emulator.machine_ids()[0].to_owned();
    world.emulator.outcome(FAILED).on_machine(first);
    let run = world.start(&world.release().waves(&[1, 10]).halt_after(1)).await;
    let (events, report) = world.finish(&run).await;
    assert_eq!(counts(&report), (0, 1, 0, 49));
    assert_eq!(number(&events, |kind| matches!(kind, Kind::WaveBegan { .. })), 1);
    let resumed = world.fleet().resume(run.id()).await.unwrap();
    let (events, report) = world.finish(&resumed).await;
    assert_eq!(counts(&report), (49, 1, 0, 0));
    let waves: Vec<_> = events
        .iter()
        .filter_map(|event| match event.kind {
            Kind::WaveBegan { wave } => Some((wave, true)),
            Kind::WaveEnded { wave } => Some((wave, false)),
            _ => None,
        })
        .collect();
    assert_eq!(waves, [(1, true), (1, false), (2, true), (2, false)]);
}
