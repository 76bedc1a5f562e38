//! The stores against the suite, and faults of SQLite.
#![cfg(all(feature = "sqlite", feature = "conformance"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod clock;
mod faults;
mod folder;
mod journal;
#[cfg(unix)]
mod processes;
mod runs;
mod suite;
