//! The facade, as its users call it: over wires made of data, over a service in miniature, and over the emulator.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed"
)]

mod certainty;
#[cfg(all(feature = "hyper", feature = "aws-lc-rs"))]
mod example;
mod lists;
mod preflight;
mod refusals;
mod requests;
mod seed_case;
mod service;
mod wait;
mod wait_all;
