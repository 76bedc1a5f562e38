//! A server on loopback, and the two clients that are compared.

mod clients;
mod server;

pub(crate) use self::{
    clients::Client,
    server::{Protocol, Server, serve_if_asked},
};
