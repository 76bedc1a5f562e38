//! The transport: hyper's pooled client over rustls, HTTP/1.1 and HTTP/2.
//!
//! A request gets a pool (`pool`), whose connections come about over TCP (`tcp`, behind the seam `dial`), perhaps through a proxy
//! (`proxy`), with TLS (`tls`, `pem`, `handshake`), all within the time for a connection (`connection`, `connect_error`). Hosts that
//! fall silent get another connection (`liveness`). `failure` classifies the errors.

mod body;
mod builder;
mod causes;
mod client;
mod connect_error;
mod connection;
pub(crate) mod dial;
mod failure;
mod handshake;
mod liveness;
mod parts;
mod pem;
mod plain_http;
mod pool;
mod proxy;
pub(crate) mod tcp;
mod tls;

pub(crate) use self::body::HyperBody;
pub use self::{
    builder::HyperTransportBuilder,
    client::HyperTransport,
    plain_http::PlainHttp,
    proxy::Proxy,
    tls::{ClientIdentity, Crypto, Roots},
};
