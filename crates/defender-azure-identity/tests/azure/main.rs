//! Credentials of `azure_identity` over reqwest, as a program has them, against the emulator's token endpoint.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed"
)]

mod errors;
mod tokens;
mod world;
