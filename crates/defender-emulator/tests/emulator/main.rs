//! The emulator, judged over its socket.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what surprises a test fails it")]

mod actions;
mod agreement;
mod driver;
mod duplicates;
mod every_action;
mod faults;
mod in_process;
mod ledger;
mod life;
mod links;
mod lists;
mod machines;
mod program;
mod quotas;
mod refusals;
mod spelling;
mod token;
mod transport;
