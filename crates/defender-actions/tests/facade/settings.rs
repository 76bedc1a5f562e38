//! Every default of the builder, and the effect of every setting.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use defender_actions::{
    BodyLimits, DefenderClientBuilder, ErrorKind, UnknownReason,
    auth::Region,
    model::MachineAction,
    transport::{Body, Clock, Error as TransportError, ErrorKind as Broken, Transport},
};
use defender_emulator::{Fault, Operation};
use futures_util::TryStreamExt;

use crate::world::{HOUR, MINUTE, World};

const SECOND: Duration = Duration::from_secs(1);

/// Time that a read takes if every attempt meets this fault.
async fn read_takes(fault: Fault, set: impl FnOnce(DefenderClientBuilder) -> DefenderClientBuilder) -> Duration {
    let world = World::new();
    let client = set(world.builder_over(world.emulator.transport())).build().unwrap();
    let id = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap().id().clone();
    world.emulator.fault(fault).on(Operation::GetAction);
    let began = world.clock.elapsed();
    world.run(client.action(id).get().send()).await.unwrap_err();
    world.clock.elapsed().saturating_sub(began)
}

#[tokio::test]
async fn response_head_may_take_thirty_seconds() {
    assert_eq!(read_takes(Fault::Hang, |builder| builder.attempts(1)).await, SECOND * 30);
    assert_eq!(read_takes(Fault::Hang, |builder| builder.attempts(1).head_timeout(SECOND * 7)).await, SECOND * 7);
}

#[tokio::test]
async fn body_may_idle_thirty_seconds() {
    let silent = Fault::SlowBytes(HOUR);
    assert_eq!(read_takes(silent, |builder| builder.attempts(1)).await, SECOND * 30);
    assert_eq!(read_takes(silent, |builder| builder.attempts(1).idle_timeout(SECOND * 4)).await, SECOND * 4);
}

#[tokio::test]
async fn call_may_take_five_minutes() {
    let slow = Fault::SlowBytes(SECOND * 10);
    assert_eq!(read_takes(slow, |builder| builder).await, SECOND * 300);
    assert_eq!(read_takes(slow, |builder| builder.total_timeout(SECOND * 40)).await, SECOND * 40);
}

#[tokio::test]
async fn read_is_sent_five_times() {
    let refused = Fault::Status(503, defender_emulator::RetryAfter::Absent);
    let mut longest = Duration::ZERO;
    for _ in 0..50 {
        longest = longest.max(read_takes(refused, |builder| builder).await);
    }
    // 0.5 s, 1 s, 2 s and 4 s at most.
    assert!(longest > SECOND * 3 && longest <= SECOND * 15 / 2, "{longest:?}");
    assert_eq!(read_takes(refused, |builder| builder.attempts(1)).await, Duration::ZERO);
    assert_eq!(read_takes(refused, |builder| builder.backoff(Duration::ZERO, Duration::ZERO)).await, Duration::ZERO);
}

#[tokio::test]
async fn wait_polls_for_one_hour() {
    let world = World::with(|emulator| emulator.pending_for(HOUR * 9));
    let set = world
        .builder_over(world.emulator.transport())
        .wait_at_most(MINUTE)
        .wait_poll(SECOND, SECOND * 2)
        .build()
        .unwrap();
    for (client, lasts) in [(world.client(), HOUR), (set, MINUTE)] {
        let submitted = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap();
        let began = world.clock.elapsed();
        let error = world.run(submitted.wait().send()).await.unwrap_err();
        assert_eq!((error.kind(), world.clock.elapsed().saturating_sub(began)), (ErrorKind::WaitTimeout, lasts));
        let all = client.wait_all([submitted.id().clone()]);
        let began = world.clock.elapsed();
        let ended: Vec<_> = world.run(futures_util::StreamExt::collect(all.stream())).await;
        assert_eq!((ended.len(), world.clock.elapsed().saturating_sub(began)), (1, lasts));
    }
}

#[tokio::test]
async fn wait_uses_configured_polls() {
    for (first, longest, after) in
        [(SECOND, SECOND * 2, [1_000, 2_500, 4_500]), (MINUTE, MINUTE, [60_000, 120_000, 180_000])]
    {
        for running in after.into_iter().map(Duration::from_millis) {
            let world = World::with(|emulator| emulator.pending_for(running).running_for(Duration::ZERO));
            let submitted = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap();
            world.run(submitted.wait().poll(first, longest).send()).await.unwrap();
            assert_eq!(world.clock.elapsed(), running);
        }
    }
}

#[tokio::test]
async fn visibility_timeout_is_configurable() {
    for (grace, lasts) in [(None, 120), (Some(SECOND * 30), 30)] {
        let world = World::with(|emulator| emulator.read_lag(HOUR));
        let mut builder = world.builder_over(world.emulator.transport());
        if let Some(grace) = grace {
            builder = builder.visibility_timeout(grace);
        }
        let client = builder.build().unwrap();
        world.emulator.fault(Fault::ResetAfterEffect).on(Operation::Isolate).times(1);
        let error = world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap_err();
        assert_eq!(error.reason(), Some(UnknownReason::NothingFound));
        assert_eq!(world.clock.elapsed().as_secs(), lasts);
    }
}

#[test]
fn region_sets_the_base_url() {
    let world = World::new();
    let client = world.builder_over(Unreached).region(Region::Eu).build().unwrap();
    let request = client.action("a".parse().unwrap()).get().request().unwrap();
    assert_eq!(request.uri(), "https://eu.api.security.microsoft.com/api/machineactions/a");
}

/// Transport that reaches no host.
#[derive(Debug)]
struct Unreached;

#[async_trait::async_trait]
impl defender_actions::transport::Transport for Unreached {
    async fn send(
        &self,
        _: http::Request<bytes::Bytes>,
    ) -> Result<http::Response<defender_actions::transport::Body>, TransportError> {
        Err(TransportError::new(Broken::Connect))
    }
}

/// Transport that counts token requests.
#[derive(Clone, Debug)]
struct Counting<T>(T, Arc<Mutex<u32>>);

#[async_trait::async_trait]
impl<T: Transport> Transport for Counting<T> {
    async fn send(&self, request: http::Request<bytes::Bytes>) -> Result<http::Response<Body>, TransportError> {
        *self.1.lock().unwrap() += u32::from(request.uri().path().ends_with("/token"));
        self.0.send(request).await
    }
}

#[tokio::test]
async fn token_renewal_time_is_configurable() {
    // Tokens are valid for ten minutes: the first is renewed five minutes later, or after nine.
    for (margin, first, then) in [(None, 301, 2), (None, 299, 1), (Some(MINUTE), 539, 1), (Some(MINUTE), 541, 2)] {
        let world = World::with(|emulator| emulator.token_lifetime(MINUTE * 10));
        let transport = Counting(world.emulator.transport(), Arc::default());
        let mut builder = world.builder_over(transport.clone());
        if let Some(margin) = margin {
            builder = builder.refresh_margin(margin);
        }
        let client = builder.build().unwrap();
        let read = || client.get::<serde_json::Value>("/api/machineactions/$count").send();
        world.run(read()).await.unwrap();
        world.clock.advance(SECOND * first);
        world.run(read()).await.unwrap();
        assert_eq!(*transport.1.lock().unwrap(), then, "{margin:?}, after {first} s");
    }
}

#[tokio::test]
async fn body_limit_is_configurable() {
    const LARGE: usize = 1 << 20;
    for (limits, entity, page) in [
        ([LARGE, LARGE, LARGE], None, None),
        ([100, LARGE, LARGE], Some(ErrorKind::InvalidResponse), None),
        ([LARGE, 100, LARGE], None, Some(ErrorKind::InvalidResponse)),
        ([LARGE, LARGE, 100], Some(ErrorKind::Credential), Some(ErrorKind::Credential)),
    ] {
        let world = World::with(|emulator| emulator.history(5));
        let client = world.builder_over(world.emulator.transport());
        let client = client
            .body_limits(BodyLimits::default().entity(limits[0]).page(limits[1]).token(limits[2]))
            .build()
            .unwrap();
        let id = world.run(world.client().machine(world.machine()).isolate("c").send()).await.unwrap().id().clone();
        let read = world.run(client.action(id).get().send()).await;
        assert_eq!(read.err().map(|error| error.kind()), entity, "{limits:?}");
        let list = world.run(client.actions().stream().try_collect::<Vec<MachineAction>>()).await;
        assert_eq!(list.err().map(|error| error.kind()), page, "{limits:?}");
    }
}

/// Layer that notes its name and the path of each request.
#[derive(Debug)]
struct Noting(&'static str, Arc<dyn Transport>, Arc<Mutex<Vec<String>>>);

#[async_trait::async_trait]
impl Transport for Noting {
    async fn send(&self, request: http::Request<bytes::Bytes>) -> Result<http::Response<Body>, TransportError> {
        let path = request.uri().path().rsplit('/').next().unwrap_or_default();
        self.2.lock().unwrap().push(format!("{} {path}", self.0));
        self.1.send(request).await
    }
}

#[tokio::test]
async fn own_layers_see_each_request() {
    let world = World::new();
    let noted = Arc::new(Mutex::new(Vec::new()));
    let layer = |name: &'static str| {
        let noted = Arc::clone(&noted);
        move |inner| Noting(name, inner, Arc::clone(&noted))
    };
    let builder = world.builder_over(world.emulator.transport()).wrap_transport(layer("inner"));
    let client = builder.wrap_transport(layer("outer")).build().unwrap();
    world.run(client.machine(world.machine()).isolate("c").send()).await.unwrap();
    assert_eq!(*noted.lock().unwrap(), ["outer token", "inner token", "outer isolate", "inner isolate"]);
}
