#![doc = include_str!("../README.md")]

mod body;
pub mod clock;
mod collected;
mod deadline;
#[cfg(feature = "compression")]
mod decompressed;
#[cfg(feature = "hyper")]
mod dial;
mod error;
pub mod extensions;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "hyper")]
mod hyper_builder;
#[cfg(feature = "hyper")]
mod liveness;
mod location;
mod paced;
#[cfg(feature = "hyper")]
mod pem;
#[cfg(feature = "hyper")]
mod plain_http;
#[cfg(feature = "hyper")]
mod proxy;
mod redirected;
mod retry_after;
mod retrying;
mod secrets;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
#[cfg(all(
    feature = "aws-lc-rs",
    feature = "compression",
    feature = "hyper",
    feature = "testing",
    feature = "tracing"
))]
mod tests;
#[cfg(feature = "hyper")]
mod tls;
#[cfg(feature = "tracing")]
mod traced;
mod transport;
#[cfg(feature = "hyper")]
mod unconnected;

#[cfg(feature = "tokio")]
pub use clock::SystemClock;
#[cfg(feature = "compression")]
pub use decompressed::Decompressed;
#[cfg(feature = "hyper")]
pub use hyper::HyperTransport;
#[cfg(feature = "hyper")]
pub use hyper_builder::HyperTransportBuilder;
#[cfg(feature = "hyper")]
pub use plain_http::PlainHttp;
#[cfg(feature = "hyper")]
pub use proxy::Proxy;
#[cfg(feature = "hyper")]
pub use tls::{ClientIdentity, Crypto, Roots};
#[cfg(feature = "tracing")]
pub use traced::Traced;
pub use {
    body::Body,
    clock::Clock,
    collected::Collected,
    deadline::Deadline,
    error::{Error, ErrorKind},
    paced::Paced,
    redirected::{Redirected, Redirects},
    retry_after::retry_after,
    retrying::{Retry, Retrying},
    secrets::Secrets,
    transport::{Transport, TransportExt},
};
