//! A thousand actions waited for, together and one by one: how many calls that costs, and whether the quota is kept.
//!
//! It runs on the emulator in process, by a clock turned by hand: it takes no time, and each figure is the same each time. The
//! emulator lets everything in, so that it is the client alone that keeps to the quota; what it sends is counted beneath it.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{DefenderClient, auth::ClientSecretCredential};
use defender_emulator::{Emulator, Quotas};
use defender_transport::{Body, Clock, Error as TransportError, Transport, testing::ManualClock};
use futures_util::{StreamExt, future::join_all};
use http::{Method, Request, Response};
use xtask::Failure;

type Anything = Box<dyn Error + Send + Sync>;

/// Number of actions that are waited for, and of others between each two of them.
const OURS: usize = 1_000;
const BETWEEN: usize = 5;

/// Duration of each action.
const TAKES: Duration = Duration::from_secs(60);

/// Calls that waiting for all of them may cost.
const MOST_CALLS: usize = 60;

/// Quota of one operation: number of calls in any stretch of a length.
const QUOTA: [(usize, Duration); 2] = [(100, Duration::from_secs(60)), (1_500, Duration::from_secs(3_600))];

/// Counts what the client sends, by operation and time.
#[derive(Clone, Debug)]
struct Counting<T> {
    wire: T,
    clock: ManualClock,
    reads: Arc<Mutex<BTreeMap<&'static str, Vec<Duration>>>>,
}

#[async_trait]
impl<T: Transport> Transport for Counting<T> {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        if request.method() == Method::GET {
            let is_list = request.uri().path().ends_with("/machineactions");
            let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
            reads.entry(if is_list { "list" } else { "one" }).or_default().push(self.clock.elapsed());
        }
        self.wire.send(request).await
    }
}

/// Cost of a way of waiting.
#[derive(Debug, Default)]
struct Cost {
    lists: usize,
    singles: usize,
    took: Duration,
    succeeded: usize,
    /// The most calls of one operation in any stretch of each of the quota's lengths.
    busiest: [usize; 2],
}

/// Measures, prints, and fails where waiting costs too much or the quota is not kept.
pub(crate) fn run() -> Result<(), Failure> {
    let broken = |error: Anything| Failure::broken("bench wait", error);
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| broken(error.into()))?;
    println!(
        "{:<36} {:>6} {:>6} {:>6} {:>7} {:>6} {:>7}",
        "way", "calls", "lists", "reads", "took", "/60 s", "/3600 s"
    );
    let mut missed = Vec::new();
    for (name, between, together) in [
        ("wait_all", 0, true),
        ("wait_all, 5,000 of others between", BETWEEN, true),
        ("a wait for each, in the quota's queue", 0, false),
    ] {
        let cost = runtime.block_on(cost(between, together)).map_err(broken)?;
        println!("{}", cost.row(name));
        missed.extend(cost.missed(name, if together { MOST_CALLS } else { usize::MAX }));
    }
    if missed.is_empty() { Ok(()) } else { Err(Failure::Check(format!("bench wait: {}", missed.join("; ")))) }
}

/// Requests all of ours, and so many of others between each two, all at the same time, and waits for ours.
async fn cost(between: usize, together: bool) -> Result<Cost, Anything> {
    let (clock, step) = (ManualClock::new(), between.saturating_add(1));
    let emulator = Emulator::builder()
        .clock(Arc::new(clock.clone()))
        .machines(u32::try_from(OURS.saturating_mul(step))?)
        .pending_for(TAKES / 2)
        .running_for(TAKES / 2)
        .quotas(Quotas::Off)
        .in_process()?;
    let wire = Counting { wire: emulator.transport(), clock: clock.clone(), reads: Arc::default() };
    let client = || {
        let secret = ClientSecretCredential::new(emulator.tenant_id(), emulator.client_id(), emulator.client_secret());
        let client = DefenderClient::builder().credential(secret).transport(wire.clone()).clock(clock.clone());
        client.base_url(emulator.base_url()).authority(emulator.authority()).audience(emulator.audience()).build()
    };
    let mut ids = Vec::new();
    let machines = emulator.machine_ids();
    // Each hundred by a client of its own, since each keeps to the quota.
    for (hundred, machines) in machines.chunks(100).enumerate() {
        let client = client()?;
        for (number, machine) in machines.iter().enumerate() {
            let submitted = client.machine(machine.parse()?).isolate("bench").await?;
            if hundred.saturating_mul(100).saturating_add(number) % step == 0 {
                ids.push(submitted.id().clone());
            }
        }
    }
    let (client, began) = (client()?, clock.elapsed());
    let succeeded = if together {
        let ends: Vec<_> = clock.run(client.wait_all(ids).stream().collect()).await;
        ends.iter().filter(|(_, end)| end.is_ok()).count()
    } else {
        let waits = ids.into_iter().map(|id| client.action(id).wait().at_most(TAKES * 600).send());
        clock.run(join_all(waits)).await.iter().filter(|end| end.is_ok()).count()
    };
    let reads = wire.reads.lock().unwrap_or_else(PoisonError::into_inner);
    let count = |name| reads.get(name).map_or(0, Vec::len);
    let busiest = QUOTA.map(|(_, per)| reads.values().map(|times| busiest(times, per)).max().unwrap_or(0));
    let took = clock.elapsed().saturating_sub(began);
    Ok(Cost { lists: count("list"), singles: count("one"), took, succeeded, busiest })
}

/// The most of these times in any stretch of `per`.
fn busiest(times: &[Duration], per: Duration) -> usize {
    let until =
        |first: Duration| times.iter().filter(|time| **time >= first && **time < first.saturating_add(per)).count();
    times.iter().map(|first| until(*first)).max().unwrap_or(0)
}

impl Cost {
    fn calls(&self) -> usize {
        self.lists.saturating_add(self.singles)
    }

    fn row(&self, name: &str) -> String {
        let Self { lists, singles, took, busiest: [minute, hour], .. } = self;
        let took = format!("{}s", took.as_secs());
        format!("{name:<36} {:>6} {lists:>6} {singles:>6} {took:>7} {minute:>6} {hour:>7}", self.calls())
    }

    /// Bounds that are missed.
    fn missed(&self, name: &str, most_calls: usize) -> Vec<String> {
        let mut missed = Vec::new();
        if self.succeeded != OURS {
            missed.push(format!("{name}: {} of {OURS} actions succeeded", self.succeeded));
        }
        if self.calls() > most_calls {
            missed.push(format!("{name}: {} calls, and {most_calls} are allowed", self.calls()));
        }
        for ((most, per), is) in QUOTA.into_iter().zip(self.busiest) {
            if is > most {
                missed.push(format!("{name}: {is} calls of one operation in {per:?}, and the quota is {most}"));
            }
        }
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busiest_stretch_may_begin_anywhere() {
        let times = [0, 50, 55, 59, 60, 109, 110].map(Duration::from_secs);
        assert_eq!(busiest(&times, Duration::from_secs(60)), 5);
        assert_eq!(busiest(&[], Duration::from_secs(60)), 0);
    }

    #[test]
    fn every_missed_bound_is_reported() {
        let good = Cost { lists: 10, succeeded: OURS, busiest: [10, 10], ..Cost::default() };
        assert!(good.missed("x", MOST_CALLS).is_empty());
        let bad = Cost { lists: 61, succeeded: 1, busiest: [101, 1_501], ..Cost::default() };
        assert_eq!(bad.missed("x", MOST_CALLS).len(), 4);
    }
}
