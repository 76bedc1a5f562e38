//! Tenants, targets, plans and states, against the emulator in process and in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot set up its world has failed"
)]

mod checks;
mod corpus;
mod csv;
mod files;
mod folder;
mod guards;
mod resolve;
mod state;
mod state_model;
mod tenants;
mod world;
