//! The ways in: the TLS listener with its certificates, and the transport without a socket.

pub(crate) mod alpn;
pub(crate) mod certificate;
pub(crate) mod in_process;
pub(crate) mod server;
pub(crate) mod tasks;
