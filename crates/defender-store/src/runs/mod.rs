//! Runs: the rows of a plan, and which worker has them.

pub(crate) mod memory;
pub(crate) mod record;
pub(crate) mod store;
