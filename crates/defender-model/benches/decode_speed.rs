//! Speed of decoding a full page of actions, compared with a bare struct that decodes the same bytes.
//!
//! Under `cargo bench` it fails if the page is too slow; under `cargo test` it runs once.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints what it measured")]

mod page;

use std::{error::Error, hint::black_box, process::ExitCode, time::Duration};

use defender_model::{MachineAction, Page};
use page::{BarePage, ROWS, page};
use serde::de::DeserializeOwned;

/// Smallest allowed ratio to the objects per second of the bare struct.
const LEAST: f64 = 0.8;
/// Number of rounds: odd, so that a median exists.
const ROUNDS: usize = 101;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let (rows, rounds) = if measured { (ROWS, ROUNDS) } else { (10, 1) };
    let json = page(rows);
    println!("a page of {rows} actions, {} bytes, {rounds} rounds of each by turns", json.len());

    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (our_time, bare_time) = (time::<Page<MachineAction>>(&json)?, time::<BarePage>(&json)?);
        ours.push(per_second(rows, our_time));
        bare.push(per_second(rows, bare_time));
        // Within a round, so that other load on the computer affects both.
        ratios.push(bare_time.as_secs_f64() / our_time.as_secs_f64());
    }
    let (ours, bare, ratio) = (median(ours), median(bare), median(ratios));
    println!("Page<MachineAction>: {ours:>9.0} objects/s");
    println!("bare struct:         {bare:>9.0} objects/s");
    println!("ratio:               {ratio:>9.3} (at least {LEAST})");
    if measured && ratio < LEAST {
        eprintln!("missed: the decoding speed is {ratio:.3} of that of the bare struct; at least {LEAST} is required");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the time of decoding, without the time of freeing the result.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn time<T: DeserializeOwned>(json: &str) -> Result<Duration, serde_json::Error> {
    let start = std::time::Instant::now();
    let decoded: T = serde_json::from_str(black_box(json))?;
    let took = start.elapsed();
    drop(black_box(decoded));
    Ok(took)
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "the number of rows is small")]
fn per_second(rows: u64, time: Duration) -> f64 {
    rows as f64 / time.as_secs_f64()
}
