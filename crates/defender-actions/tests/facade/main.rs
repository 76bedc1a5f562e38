//! The facade, as its users call it: over wires made of data, over a service in miniature, and over the emulator.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed"
)]

mod announcements;
mod block_pages;
mod bytes;
mod call_sites;
mod canary;
mod certainty;
mod endless_lists;
mod every_action;
#[cfg(all(feature = "hyper", feature = "aws-lc-rs"))]
mod example;
#[cfg(all(feature = "hyper", feature = "aws-lc-rs"))]
mod gallery;
mod lists;
mod lost_answers;
#[cfg(feature = "hyper")]
mod managed_identity;
mod many_lost;
mod own_action;
mod own_queue;
mod preflight;
mod raw;
mod recovered;
mod refusals;
mod requests;
mod seed_case;
mod service;
mod settings;
mod slow_answers;
#[cfg(feature = "tracing")]
mod spans;
mod tenants;
mod traps;
mod wait;
mod wait_all;
mod whose_action;
mod world;
