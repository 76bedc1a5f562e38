//! Time that the adapters take for a call by themselves: over a transport that responds at once, beside that transport used
//! bare.
//!
//! Under `cargo bench` it fails where they take longer than they may; under `cargo test` it only runs once.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints what it measured")]

mod cpu;
mod exchange;
mod in_memory;

use std::process::ExitCode;

use cpu::{Meter, median, nanos_each};
use defender_transport::Transport;
use exchange::{Anything, adapted};
use in_memory::{AtOnce, call};

/// In nanoseconds for a call.
const MOST: f64 = 2_000.0;
const ROUNDS: usize = 101;
/// In each round.
const CALLS: usize = 2_000;

fn main() -> Result<ExitCode, Anything> {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let (rounds, calls) = if measured { (ROUNDS, CALLS) } else { (1, 10) };
    let (meter, stack) = (Meter::new(), adapted(AtOnce));
    println!("{}, {rounds} rounds of {calls} calls of each by turns", meter.name());

    let (mut with, mut without, mut own) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (adapted, bare) = (time(&stack, meter, calls)?, time(&AtOnce, meter, calls)?);
        with.push(adapted);
        without.push(bare);
        // Within a round, so that what else the machine does weighs on both.
        own.push(adapted - bare);
    }
    let own = median(own);
    println!("with the adapters: {:>7.0} ns/call", median(with));
    println!("without them:      {:>7.0} ns/call", median(without));
    println!("the adapters:      {own:>7.0} ns/call (under {MOST:.0})");
    let kept = own < MOST;
    if measured && !kept {
        eprintln!("missed: the adapters take {own:.0} ns for a call, and must take less than {MOST:.0}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// In nanoseconds for a call.
fn time(transport: &impl Transport, meter: Meter, calls: usize) -> Result<f64, Anything> {
    let before = meter.read()?;
    for machine in 0..calls {
        call(transport, machine)?;
    }
    Ok(nanos_each(meter.read()?.saturating_sub(before), calls))
}
