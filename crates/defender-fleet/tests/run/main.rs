//! Runs over the emulator, in virtual time. The judge is the emulator's ledger.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed"
)]

mod crash;
mod guard;
mod halting;
mod outages;
mod outcomes;
mod pace;
mod races;
mod reports;
mod retries;
mod reverts;
mod rows;
mod slow_stores;
#[cfg(feature = "tracing")]
mod spans;
mod starts;
mod storm;
mod timed;
mod workers;
mod world;
