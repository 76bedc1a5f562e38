//! What is measured in real time, and what it must come up to.

mod clients;
mod server;
pub(crate) mod smoke;
