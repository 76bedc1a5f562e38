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
mod settings;
mod tenant;
mod token;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use self::record::{Broken, Stated};
pub(crate) use self::{
    fault::Fault,
    http::{SUBMISSION, Server},
    kind::Kind,
    record::{APPLICATION_ID, Maker, PRINCIPAL_ID, Particulars, Record},
    settings::{Settings, Version},
    tenant::{Arrival, Tenant},
    token::{SECRET, TENANT},
};
