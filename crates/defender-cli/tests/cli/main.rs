//! Tests of the program: transcripts, terminal, secrets, crash and networks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

#[cfg(feature = "testing")]
mod actions;
#[cfg(feature = "testing")]
mod crash;
#[cfg(feature = "testing")]
mod failures;
#[cfg(all(feature = "testing", target_os = "linux"))]
mod full_disk;
#[cfg(feature = "testing")]
mod interrupts;
mod program;
#[cfg(feature = "testing")]
mod retries;
#[cfg(feature = "testing")]
mod runs;
mod secrets;
mod service;
mod streams;
#[cfg(feature = "testing")]
mod targets;
mod terminal;
mod transcripts;
