//! Cost of a call for the client's processor: every adapter over our transport, beside hyper-util's client used bare. Both send
//! the same requests to the same server in turns, so that the machine's own speed and its other work fall on both alike.
//!
//! Under `cargo bench` it fails where ours costs more than it may, in CPU time or on the wall; under `cargo test` it only runs once.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints what it measured")]

mod cpu;
mod exchange;
mod wire;

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cpu::{Meter, median, nanos_each};
use exchange::{ANSWER, Anything};
use http::{Method, Uri};
use tokio::runtime::{Builder, Runtime};
use wire::{Client, Protocol, Server, serve_if_asked};

/// A call of ours costs at most this many times the bare client's CPU time.
const MOST: f64 = 1.15;
/// And takes at most this many times as long, which shows a wait that costs no CPU time.
const MOST_ON_THE_WALL: f64 = 1.4;
const ROUNDS: usize = 60;

/// Number of calls that are under way, and number of calls in a round by each client.
const LOADS: [(usize, usize); 2] = [(1, 500), (32, 1_600)];

fn main() -> Result<ExitCode, Anything> {
    if serve_if_asked(|| |_: &Method, _: &Uri| Bytes::from_static(ANSWER.as_bytes()))? {
        return Ok(ExitCode::SUCCESS);
    }
    let measured = std::env::args().any(|argument| argument == "--bench");
    let meter = Meter::new();
    println!("{}, {} rounds of each by turns", meter.name(), if measured { ROUNDS } else { 1 });
    println!("{:<22} {:>12} {:>12} {:>8} {:>8}", "", "ours us/call", "bare us/call", "ratio", "wall");
    let mut missed = Vec::new();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let race = Race::new(protocol, meter)?;
        for (at_a_time, calls) in LOADS {
            let name = format!("{}, {at_a_time} at a time", protocol.name());
            let costs = if measured { race.run(at_a_time, calls, ROUNDS)? } else { race.run(at_a_time, 32, 1)? };
            let of = |one: fn(&(Cost, Cost)) -> f64| median(costs.iter().map(one).collect());
            let (ratio, wall) = (of(|(ours, bare)| ours.cpu / bare.cpu), of(|(ours, bare)| ours.wall / bare.wall));
            let (ours, bare) = (of(|cost| cost.0.cpu) / 1e3, of(|cost| cost.1.cpu) / 1e3);
            println!("{name:<22} {ours:>12.2} {bare:>12.2} {ratio:>8.3} {wall:>8.3}");
            let kept = ratio <= MOST && wall <= MOST_ON_THE_WALL;
            if !kept {
                missed.push(format!("{name}: {ratio:.3} times the bare client's, on the wall {wall:.3} times"));
            }
        }
    }
    if measured && !missed.is_empty() {
        eprintln!(
            "missed: the CPU time of a call must be at most {MOST} times the bare client's, on the wall {MOST_ON_THE_WALL} times: {}",
            missed.join("; ")
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Time of a call in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Cost {
    cpu: f64,
    wall: f64,
}

/// The two clients before one server.
struct Race {
    server: Arc<Server>,
    ours: Client,
    bare: Client,
    /// Of one thread, so that all that a client does is done on it.
    runtime: Runtime,
    meter: Meter,
}

impl Race {
    fn new(protocol: Protocol, meter: Meter) -> Result<Self, Anything> {
        let server = Server::start(protocol)?;
        let (ours, bare) = (Client::ours(&server)?, Client::bare(&server)?);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { server: Arc::new(server), ours, bare, runtime, meter })
    }

    /// Cost of a call, round by round: ours, and the bare client's.
    fn run(&self, at_a_time: usize, calls: usize, rounds: usize) -> Result<Vec<(Cost, Cost)>, Anything> {
        for client in [&self.ours, &self.bare] {
            self.turn(client, at_a_time, calls)?; // Opens the connections, and warms the caches.
        }
        let mut costs = Vec::new();
        for round in 0..rounds {
            let cost = |client| self.turn(client, at_a_time, calls);
            // The second client finds the server warm, so they take turns in that too.
            costs.push(if round % 2 == 0 {
                let ours = cost(&self.ours)?;
                (ours, cost(&self.bare)?)
            } else {
                let bare = cost(&self.bare)?;
                (cost(&self.ours)?, bare)
            });
        }
        Ok(costs)
    }

    /// So many calls by one client.
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    fn turn(&self, client: &Client, at_a_time: usize, calls: usize) -> Result<Cost, Anything> {
        let (began, before) = (Instant::now(), self.meter.read()?);
        self.runtime.block_on(async {
            let scope = |first: usize| {
                let (client, server, mine) =
                    (client.clone(), Arc::clone(&self.server), (first..calls).step_by(at_a_time));
                tokio::spawn(async move {
                    for machine in mine {
                        client.call(&server, machine).await?;
                    }
                    Ok::<(), Anything>(())
                })
            };
            let scopes: Vec<_> = (0..at_a_time).map(scope).collect();
            for scope in scopes {
                scope.await??;
            }
            Ok::<(), Anything>(())
        })?;
        let (cpu, wall): (Duration, _) = (self.meter.read()?.saturating_sub(before), began.elapsed());
        Ok(Cost { cpu: nanos_each(cpu, calls), wall: nanos_each(wall, calls) })
    }
}
