//! The service on loopback, over TLS, written from the facts about it.
//!
//! A call goes through `http` (routing), `tenant`, `post` or `list` (what it does), `fault` (what goes wrong) and
//! `reply` (how much of the response arrives).

mod fault;
mod filter;
mod http;
mod kind;
mod list;
mod post;
mod quota;
mod record;
mod reply;
mod tenant;
mod token;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use self::record::{Broken, Stated};
pub(crate) use self::{
    fault::Fault,
    http::{SUBMISSION, Server, Version},
    kind::Kind,
    record::{APPLICATION_ID, Maker, PRINCIPAL_ID, Particulars, Record},
    tenant::{Arrival, Tenant},
    token::{SECRET, TENANT},
};

/// How the service behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) version: Version,
    /// Calls of a hundred that go wrong.
    pub(crate) percent: f64,
    /// Whether responses have a `Date`.
    pub(crate) dates: bool,
    /// Rows of a page.
    pub(crate) page: usize,
}
