//! Our wire beside a bare hyper client: the same requests to the same server over one connection each, in turns.
//!
//! The machine's own speed and its other work fall on both alike, so the ratio says what our wire costs.

use std::time::{Duration, Instant};

use super::{
    clients::Client,
    server::{Anything, Server},
};
use crate::Failure;

/// The share of the bare client's calls that ours must reach.
const FLOOR: f64 = 0.7;

const ROUNDS: usize = 10;

struct Workload {
    name: &'static str,
    at_a_time: usize,
    /// In each round, by each client.
    calls: usize,
}

const WORKLOADS: &[Workload] = &[
    Workload { name: "POST, 32 at a time", at_a_time: 32, calls: 2_000 },
    Workload { name: "POST, one by one", at_a_time: 1, calls: 500 },
];

/// What a workload took, round by round.
#[derive(Default)]
struct Times {
    ours: Vec<Duration>,
    bare: Vec<Duration>,
}

/// Measures, prints, and fails where ours does not keep up.
pub(crate) fn run() -> Result<(), Failure> {
    let broken = |error: Anything| Failure::broken("bench smoke", error);
    let measured = measure().map_err(broken)?;
    println!("{:<20} {:>7} {:>10} {:>10} {:>8} {:>8}", "workload", "calls", "ours/s", "bare/s", "median", "total");
    let mut missed = Vec::new();
    for (workload, times) in WORKLOADS.iter().zip(&measured) {
        println!("{}", times.row(workload));
        missed.extend(times.missed(workload));
    }
    if missed.is_empty() { Ok(()) } else { Err(Failure::Check(format!("bench smoke: {}", missed.join("; ")))) }
}

fn measure() -> Result<Vec<Times>, Anything> {
    let server = Server::start()?;
    let (ours, bare) = (Client::ours(&server)?, Client::bare(&server)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut sent = 0;
    let mut turn = |client: &Client, at_a_time, calls| -> Result<Duration, Anything> {
        let machines = sent..sent + calls;
        sent = machines.end;
        runtime.block_on(round(client, &server, machines, at_a_time))
    };
    for client in [&ours, &bare] {
        turn(client, 1, 1)?; // Opens the one connection, which all that follows shares.
        turn(client, 32, 1_000)?;
    }
    let mut measured = Vec::new();
    for workload in WORKLOADS {
        eprintln!("bench smoke: {}: {ROUNDS} rounds of {} calls by each", workload.name, workload.calls);
        let mut times = Times::default();
        for number in 0..ROUNDS {
            let mut turns = [(&ours, &mut times.ours), (&bare, &mut times.bare)];
            // Whoever comes second finds the caches warm, so they take turns in that too.
            if number % 2 == 1 {
                turns.reverse();
            }
            for (client, took) in turns {
                took.push(turn(client, workload.at_a_time, workload.calls)?);
            }
        }
        measured.push(times);
    }
    let (connections, requests) = (server.connections(), server.requests());
    if connections != 2 || requests != sent {
        return Err(format!(
            "the server saw {connections} connections and {requests} requests; 2 and {sent} would be a fair race"
        )
        .into());
    }
    Ok(measured)
}

/// One call for each of `machines`, `at_a_time` of them under way.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn round(
    client: &Client,
    server: &Server,
    machines: std::ops::Range<usize>,
    at_a_time: usize,
) -> Result<Duration, Anything> {
    let address = server.address;
    let began = Instant::now();
    let lane = |first: usize| {
        let (client, mine) = (client.clone(), machines.clone().skip(first).step_by(at_a_time));
        tokio::spawn(async move {
            for machine in mine {
                client.call(address, machine).await?;
            }
            Ok::<(), Anything>(())
        })
    };
    let lanes: Vec<_> = (0..at_a_time).map(lane).collect();
    for lane in lanes {
        lane.await??;
    }
    Ok(began.elapsed())
}

impl Times {
    /// Calls of ours for each of the bare client's, in the middle one of the rounds: a hiccup in one round moves it
    /// little.
    fn median(&self) -> f64 {
        let pairs = self.ours.iter().zip(&self.bare);
        let mut ratios: Vec<_> = pairs.map(|(ours, bare)| bare.as_secs_f64() / ours.as_secs_f64()).collect();
        ratios.sort_by(f64::total_cmp);
        let middle = ratios.len() / 2;
        let lower = ratios.get(middle.saturating_sub(1)).copied().unwrap_or(f64::NAN);
        let upper = ratios.get(middle).copied().unwrap_or(f64::NAN);
        if ratios.len() % 2 == 0 { f64::midpoint(lower, upper) } else { upper }
    }

    fn row(&self, workload: &Workload) -> String {
        let calls = workload.calls.saturating_mul(self.ours.len());
        let count = u32::try_from(calls).map_or(f64::NAN, f64::from);
        let seconds = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64();
        let (ours, bare) = (seconds(&self.ours), seconds(&self.bare));
        format!(
            "{:<20} {calls:>7} {:>10.0} {:>10.0} {:>8.3} {:>8.3}",
            workload.name,
            count / ours,
            count / bare,
            self.median(),
            bare / ours
        )
    }

    /// What is missing, if something is. No figure at all is also too few.
    fn missed(&self, workload: &Workload) -> Option<String> {
        let median = self.median();
        (median.is_nan() || median < FLOOR)
            .then(|| format!("{}: {median:.3} of the bare client's calls, and {FLOOR} is asked for", workload.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ours: &[u64], bare: &[u64]) -> Times {
        let millis = |times: &[u64]| times.iter().copied().map(Duration::from_millis).collect();
        Times { ours: millis(ours), bare: millis(bare) }
    }

    fn missed(ours: &[u64], bare: &[u64]) -> bool {
        times(ours, bare).missed(&WORKLOADS[0]).is_some()
    }

    #[test]
    fn one_bad_round_does_not_move_the_median() {
        assert!(!missed(&[100, 100, 9000], &[100, 100, 100]));
        assert!((times(&[100, 200], &[100, 100]).median() - 0.75).abs() < 1e-9);
    }

    #[test]
    fn a_wire_that_is_too_slow_is_told() {
        assert!(missed(&[200, 200], &[100, 100]));
        assert!(!missed(&[125, 125], &[100, 100]));
        assert!(missed(&[], &[]));
    }

    #[test]
    fn the_answer_has_the_size_of_the_services_own() {
        assert!((800..1000).contains(&super::super::server::ANSWER.len()));
        assert!(serde_json::from_str::<serde_json::Value>(super::super::server::ANSWER).is_ok());
    }

    #[test]
    fn both_clients_get_whole_answers_over_one_connection_each() {
        let server = Server::start().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for client in [Client::ours(&server).unwrap(), Client::bare(&server).unwrap()] {
            runtime.block_on(round(&client, &server, 0..1, 1)).unwrap();
            runtime.block_on(round(&client, &server, 1..10, 4)).unwrap();
        }
        assert_eq!((server.connections(), server.requests()), (2, 20));
    }
}
