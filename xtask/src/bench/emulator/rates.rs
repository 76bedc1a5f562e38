//! How many requests a second.

use std::time::{Duration, Instant};

use defender_emulator::{Duplicates, Emulator, Quotas};
use http::Method;

use super::{
    super::server::{Answers, Anything, Server},
    median,
    subject::{Ask, Subject},
};

/// The share of the bare server's rate that the emulator must reach.
const FLOOR: f64 = 0.4;
const ROUNDS: usize = 10;
const AT_A_TIME: usize = 32;
/// In each round, of each server.
const CALLS: usize = 2_000;

struct Workload {
    name: &'static str,
    ask: Ask,
}

/// Measures and prints; what is too slow is given back.
pub(super) fn run() -> Result<Vec<String>, Anything> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A repeat makes another action, so that every POST does what a POST is for.
    let builder = Emulator::builder().quotas(Quotas::Off).duplicates(Duplicates::Accept).history(10_000);
    let (subject, emulator) = Subject::emulator(builder)?;
    let token = runtime.block_on(subject.token(&emulator))?;
    let subject = subject.with_token(&token);
    println!("{:<28} {:>7} {:>12} {:>10} {:>8} {:>8}", "workload", "calls", "emulator/s", "bare/s", "median", "total");
    let mut missed = Vec::new();
    for workload in runtime.block_on(workloads(&subject, &emulator))? {
        let answer = runtime.block_on(subject.ask(&workload.ask))?;
        let server = Server::answering(Answers::Always(answer.status(), answer.body().clone()))?;
        let bare = Subject::fixed(&server)?.with_token(&token);
        // Opens the one connection, which all that follows shares.
        runtime.block_on(bare.ask(&workload.ask))?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for number in 0..=ROUNDS {
            let mut turns = [(&subject, &mut ours), (&bare, &mut theirs)];
            // Whoever comes second finds the caches warm, so they take turns in that too.
            if number % 2 == 1 {
                turns.reverse();
            }
            for (subject, took) in turns {
                let round = runtime.block_on(round(subject, &workload.ask))?;
                // The first round warms up.
                took.extend((number > 0).then_some(round));
            }
        }
        if server.connections() != 1 {
            return Err(format!("the bare server saw {} connections; one would be fair", server.connections()).into());
        }
        let ratio =
            median(ours.iter().zip(&theirs).map(|(ours, bare)| bare.as_secs_f64() / ours.as_secs_f64()).collect());
        println!("{}", row(workload.name, (&ours, &theirs), ratio));
        if ratio.is_nan() || ratio < FLOOR {
            missed.push(format!("{}: {ratio:.3} of the bare server's rate, and {FLOOR} is asked for", workload.name));
        }
    }
    Ok(missed)
}

async fn workloads(subject: &Subject, emulator: &Emulator) -> Result<Vec<Workload>, Anything> {
    let machine = emulator.machine_ids().first().copied().unwrap_or_default().to_owned();
    let get = |path: String| Ask { method: Method::GET, path, body: "" };
    let post = Ask {
        method: Method::POST,
        path: format!("/api/machines/{machine}/unrestrictCodeExecution"),
        body: r#"{"Comment":"Machine was cleaned and validated"}"#,
    };
    let made: serde_json::Value = serde_json::from_slice(subject.ask(&post).await?.body())?;
    let id = made.get("id").and_then(serde_json::Value::as_str).ok_or("an action without an id")?;
    Ok(vec![
        Workload { name: "GET an action", ask: get(format!("/api/machineactions/{id}")) },
        Workload { name: "POST an action", ask: post },
        Workload { name: "GET a machine", ask: get(format!("/api/machines/{machine}")) },
        Workload {
            name: "GET a filtered page of 10",
            ask: get(format!("/api/machineactions?$filter=machineId%20eq%20'{machine}'&$top=10")),
        },
    ])
}

/// The same question many times, some of them under way at once.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn round(subject: &Subject, ask: &Ask) -> Result<Duration, Anything> {
    let began = Instant::now();
    let lane = |_| {
        let (subject, ask) = (subject.clone(), ask.clone());
        tokio::spawn(async move {
            for _ in 0..CALLS / AT_A_TIME {
                subject.ask(&ask).await?;
            }
            Ok::<(), Anything>(())
        })
    };
    let lanes: Vec<_> = (0..AT_A_TIME).map(lane).collect();
    for lane in lanes {
        lane.await??;
    }
    Ok(began.elapsed())
}

fn row(name: &str, (ours, theirs): (&[Duration], &[Duration]), ratio: f64) -> String {
    let calls = (CALLS / AT_A_TIME).saturating_mul(AT_A_TIME).saturating_mul(ours.len());
    let count = u32::try_from(calls).map_or(f64::NAN, f64::from);
    let seconds = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64();
    let (ours, theirs) = (seconds(ours), seconds(theirs));
    format!("{name:<28} {calls:>7} {:>12.0} {:>10.0} {ratio:>8.3} {:>8.3}", count / ours, count / theirs, theirs / ours)
}
