//! Outages of the network, and the time after which a worker gives up.

use std::{sync::Arc, time::Duration};

use defender_actions::transport::Clock;
use defender_emulator::{ErrorCode, Fault, Operation, Outcome};
use defender_fleet::RunEventKind as Kind;
use futures_util::{
    StreamExt,
    future::{join, join3},
};

use crate::world::{World, counts, number};

const RELEASE: Operation = Operation::UnrestrictCodeExecution;
const MINUTE: Duration = Duration::from_secs(60);

impl World {
    async fn outage(&self, from: Duration, to: Duration) {
        self.clock.sleep(from.saturating_sub(self.clock.elapsed())).await;
        let outage = self.emulator.fault(Fault::RefuseConnection).on(RELEASE);
        self.clock.sleep(to.saturating_sub(self.clock.elapsed())).await;
        outage.stop();
    }
}

#[tokio::test]
async fn long_outage_ends_its_worker() {
    for machines in [1, 2, 40] {
        let world = World::new(40);
        let run = world.start(&world.release().first(machines)).await;
        let ends = async {
            let events: Vec<_> = run.events().collect().await;
            let error = events.last().unwrap().as_ref().unwrap_err();
            assert_eq!(error.service().unwrap().kind(), defender_actions::ErrorKind::ConnectFailed);
            let minutes = world.clock_seconds() / 60.0;
            assert!((10.0..13.0).contains(&minutes), "{machines} rows: the worker ended after {minutes} minutes");
        };
        world.run(join(world.outage(Duration::ZERO, MINUTE * 60), ends)).await;
        assert_eq!(counts(&world.run(run.finish()).await.unwrap()), (u32::try_from(machines).unwrap(), 0, 0, 0));
    }
}

/// Between two outages the service refuses a request, and an action is seen to fail.
#[tokio::test]
async fn later_outage_is_another_one() {
    let world = World::with(4, |emulator| emulator.running_for(MINUTE * 20));
    let run = world.start(&world.release().waves(&[2])).await;
    let [fails, late] = [0, 1].map(|at| world.emulator.machine_ids()[at].to_owned());
    world.emulator.outcome(Outcome::Failed { error_hresult: -2_147_024_891 }).on_machine(fails);
    let path = format!("/{late}/");
    let delay = move |post: &str| (if post.contains(&path) { MINUTE / 6 } else { Duration::ZERO }, Duration::ZERO);
    let run = world.on_post(Arc::new(delay)).fleet().run(run.id()).await.unwrap();
    let outages = async {
        world.outage(MINUTE / 12, MINUTE).await;
        world.emulator.fault(Fault::Code(ErrorCode::DisallowedOperation)).on(RELEASE).on_machine(late).times(1);
        world.outage(MINUTE * 11, MINUTE * 26).await;
    };
    let (report, ()) = world.run(join(run.finish(), outages)).await;
    assert_eq!(counts(&report.unwrap()), (2, 2, 0, 0));
}

/// A worker meets an outage, and another worker sends its row after it.
#[tokio::test]
async fn later_outage_ends_no_other_worker() {
    let world = World::with(4, |emulator| emulator.running_for(MINUTE * 20));
    let run = world.start(&world.release().waves(&[1])).await;
    let other = world.fleet().run(run.id()).await.unwrap();
    let mut events = run.events();
    let outage = world.emulator.fault(Fault::RefuseConnection).on(RELEASE);
    let waits =
        async { while !matches!(events.next().await.unwrap().unwrap().kind, Kind::WaitingForService { .. }) {} };
    world.run(waits).await;
    outage.stop();
    let (events, report, ()) =
        world.run(join3(events.collect::<Vec<_>>(), other.finish(), world.outage(MINUTE * 15, MINUTE * 25))).await;
    let events: Vec<_> = events.into_iter().map(Result::unwrap).collect();
    assert!(number(&events, |kind| matches!(kind, Kind::WaitingForService { .. })) > 0, "the worker met both outages");
    assert_eq!(counts(&report.unwrap()), (4, 0, 0, 0));
}
