//! Clocks that run faster than the machine's, or stand until they are advanced.

pub(crate) mod fast;
pub(crate) mod manual;
