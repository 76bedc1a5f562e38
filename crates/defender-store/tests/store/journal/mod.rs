//! The journal: the suite, faults, processes that die, and retention.

mod faults;
mod processes;
mod prune;
mod suite;
mod world;
