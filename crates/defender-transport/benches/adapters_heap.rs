//! Allocations of the adapters in a call by themselves: over a transport that responds at once, beside that
//! transport used bare. Something that grows asks once more each time.
//!
//! Under `cargo bench` it fails where they ask more often than they may; under `cargo test` it only runs once. It stands
//! alone because the counting costs time.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints what it measured")]

mod exchange;
mod in_memory;

use std::process::ExitCode;

use defender_transport::Transport;
use exchange::{Anything, adapted};
use in_memory::{AtOnce, call};

/// Allocations in a call.
const MOST: f64 = 20.0;
/// Enough for what grows slowly, such as the record of the calls of a scope, to have its share.
const CALLS: usize = 10_000;

fn main() -> Result<ExitCode, Anything> {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let calls = if measured { CALLS } else { 10 };
    let (with, without) = (allocations(&adapted(AtOnce), calls)?, allocations(&AtOnce, calls)?);
    let own = with - without;
    println!("allocations in a call, the mean of {calls}");
    println!("with the adapters: {with:>6.2}");
    println!("without them:      {without:>6.2}");
    println!("the adapters:      {own:>6.2} (under {MOST:.0})");
    let kept = own < MOST;
    if measured && !kept {
        eprintln!(
            "missed: the adapters ask for memory {own:.2} times in a call, and must do so less than {MOST:.0} times"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// For each call.
#[expect(clippy::cast_precision_loss, reason = "it is printed with two digits")]
fn allocations(transport: &impl Transport, calls: usize) -> Result<f64, Anything> {
    call(transport, 0)?; // What is made once is no part of a call.
    let mut outcome = Ok(());
    let counted = allocation_counter::measure(|| outcome = (0..calls).try_for_each(|machine| call(transport, machine)));
    outcome.map(|()| counted.count_total as f64 / calls as f64)
}
