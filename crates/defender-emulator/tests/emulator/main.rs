//! The emulator, judged over its socket.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what surprises a test fails it")]

mod actions;
mod agreement;
mod control;
mod control_state;
mod corpus;
mod driver;
mod duplicates;
mod every_action;
mod faults;
mod faults_in_process;
mod grants;
mod here;
mod in_process;
mod ledger;
mod life;
mod links;
mod lists;
mod log;
mod machines;
mod metadata;
mod program;
mod quotas;
mod refusals;
mod spelling;
mod state;
mod state_dir;
mod switches;
mod token;
mod transport;
mod wire_format;
