//! The journal: traps and migration, faults, processes that die, and figures.

pub(crate) mod bench;
mod entries;
pub(crate) mod faults;
pub(crate) mod traps;
pub(crate) mod workers;
