//! Machines, the library, and results of actions: request by request, and on the emulator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed"
)]

mod canary;
mod downloads;
mod find_all;
mod first_requests;
mod library;
mod live_response;
mod machines;
mod packages;
mod requests;
mod store;
mod support;
#[cfg(feature = "tracing")]
mod traces;
