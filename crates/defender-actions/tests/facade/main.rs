//! Tests of the public API over mocked transports, over a test service, and over the emulator.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot set up its world has failed"
)]

mod block_pages;
mod bytes;
mod call_sites;
mod canary;
mod certainty;
mod corpus;
mod deprecation;
mod endless_lists;
mod every_action;
#[cfg(all(feature = "hyper", feature = "aws-lc-rs"))]
mod example;
#[cfg(all(feature = "hyper", feature = "aws-lc-rs"))]
mod gallery;
mod identity;
mod intents;
mod joining;
mod journal;
mod journal_bodies;
mod journal_recovery;
#[cfg(feature = "testing")]
mod kit;
mod lists;
mod lost_responses;
#[cfg(feature = "hyper")]
mod managed_identity;
mod many_lost;
mod messages;
#[cfg(all(feature = "hyper", feature = "aws-lc-rs"))]
mod metrics_example;
#[cfg(feature = "tracing")]
mod observability;
mod observer;
mod own_action;
mod own_queue;
#[cfg(any(feature = "tracing", all(feature = "hyper", feature = "aws-lc-rs")))]
mod page;
mod preflight;
mod raw;
#[cfg(feature = "tracing")]
mod recorder;
mod recording_journal;
mod recovered;
mod recoveries;
mod refusals;
mod requests;
mod resend;
mod seed_case;
mod service;
mod settings;
mod shared_quota;
mod slow_responses;
#[cfg(feature = "tracing")]
mod spans;
mod submissions;
mod tenants;
mod traps;
mod wait;
mod wait_all;
mod world;
