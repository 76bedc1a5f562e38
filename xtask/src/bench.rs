//! What is measured, in real time or by a clock turned by hand, and what it must come up to.

mod clients;
pub(crate) mod emulator;
pub(crate) mod pages;
mod server;
pub(crate) mod smoke;
pub(crate) mod wait;
