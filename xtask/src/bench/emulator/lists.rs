//! The time that a page of a long list takes.

use std::time::Instant;

use defender_emulator::{Emulator, Quotas};
use http::Method;

use super::{
    super::server::Anything,
    subject::{Ask, Subject},
};

const ACTIONS: u32 = 100_000;
/// The most that any page may take, in milliseconds.
const LIMIT: f64 = 1_000.0;
const ROUNDS: usize = 5;

/// `{machine}` is the first machine's id.
const QUERIES: [(&str, &str); 4] = [
    ("newest first, 10,000", ""),
    ("machineId eq", "$filter=machineId eq '{machine}'"),
    ("machineId eq and type eq, none", "$filter=machineId eq '{machine}' and type eq 'Isolate'"),
    (
        "lastUpdateDateTimeUtc gt, in its order",
        "$filter=lastUpdateDateTimeUtc gt 2020-01-01T00:00:00Z&$orderby=lastUpdateDateTimeUtc asc",
    ),
];

/// Measures and prints; returns the pages over the limit.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub(super) fn run() -> Result<Vec<String>, Anything> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (subject, emulator) = Subject::emulator(Emulator::builder().quotas(Quotas::Off).history(ACTIONS))?;
    let token = runtime.block_on(subject.token(&emulator))?;
    let subject = subject.with_token(&token);
    let machine = emulator.machine_ids().first().copied().unwrap_or_default().to_owned();
    println!("{:<44} {:>10}", format!("page of {ACTIONS} actions"), "slowest/ms");
    let mut missed = Vec::new();
    for (name, query) in QUERIES {
        let query = query.replace("{machine}", &machine).replace(' ', "%20");
        let ask = Ask { method: Method::GET, path: format!("/api/machineactions?{query}"), body: "" };
        let mut slowest = 0.0_f64;
        for _ in 0..ROUNDS {
            let began = Instant::now();
            runtime.block_on(subject.ask(&ask))?;
            slowest = slowest.max(began.elapsed().as_secs_f64() * 1_000.0);
        }
        println!("{name:<44} {slowest:>10.1}");
        if slowest > LIMIT {
            missed.push(format!("{name}: {slowest:.0} ms, and {LIMIT} are the most"));
        }
    }
    Ok(missed)
}
