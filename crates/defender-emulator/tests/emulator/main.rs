//! The emulator, judged over its socket.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what surprises a test fails it")]

mod actions;
mod driver;
mod ledger;
mod program;
mod refusals;
mod token;
mod transport;
