//! Peak memory of decoding a full page of actions, compared with a bare struct that decodes the same bytes. Allocated bytes are
//! counted; while an allocation grows, its old and its new block both count.
//!
//! Under `cargo bench` it fails if the page exceeds its limit; under `cargo test` it runs once. It is a separate bench, since
//! counting costs time.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints what it measured")]

mod page;

use std::{error::Error, hint::black_box, process::ExitCode};

use defender_model::{MachineAction, Page};
use page::{BarePage, ROWS, page};
use peak_alloc::PeakAlloc;
use serde::de::DeserializeOwned;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Largest allowed ratio to the peak of the bare struct.
const MOST: f64 = 1.5;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let rows = if measured { ROWS } else { 10 };
    let json = page(rows);
    println!("a page of {rows} actions, {} bytes", json.len());

    let (ours, bare) = (peak::<Page<MachineAction>>(&json)?, peak::<BarePage>(&json)?);
    let ratio = ours / bare;
    println!("Page<MachineAction>: {ours:>6.2} MiB peak heap, {} bytes a row", size_of::<MachineAction>());
    println!("bare struct:         {bare:>6.2} MiB peak heap, {} bytes a row", size_of::<page::BareAction>());
    println!("ratio:               {ratio:>6.3} (at most {MOST})");
    if measured && ratio > MOST {
        eprintln!("missed: the peak heap is {ratio:.3} times that of the bare struct; at most {MOST} is allowed");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the additional peak memory in MiB.
fn peak<T: DeserializeOwned>(json: &str) -> Result<f64, serde_json::Error> {
    HEAP.reset_peak_usage();
    let before = HEAP.peak_usage();
    let decoded: T = serde_json::from_str(black_box(json))?;
    drop(black_box(decoded));
    Ok(mebibytes(HEAP.peak_usage().saturating_sub(before)))
}

#[expect(clippy::cast_precision_loss, reason = "it is printed with two digits")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
