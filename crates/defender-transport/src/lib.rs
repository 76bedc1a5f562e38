// The examples of the README are tested if the features that they use are on.
#![cfg_attr(
    any(not(doctest), all(feature = "compression", feature = "hyper", feature = "testing")),
    doc = include_str!("../README.md")
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapters;
mod body;
mod call_stats;
pub mod clock;
mod error;
pub mod extensions;
#[cfg(feature = "hyper")]
mod hyper;
mod retry_after;
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
#[cfg(feature = "tower")]
mod tower;
mod transport;

#[cfg(feature = "compression")]
pub use adapters::Decompressed;
#[cfg(feature = "tracing")]
pub use adapters::Traced;
#[cfg(feature = "tokio")]
pub use clock::SystemClock;
#[cfg(feature = "hyper")]
pub use hyper::{ClientIdentity, Crypto, HyperTransport, HyperTransportBuilder, PlainHttp, Proxy, Roots};
#[cfg(feature = "tower")]
pub use tower::{TowerService, TowerTransport};
pub use {
    adapters::{Buffered, Deadline, Paced, Redirected, Redirects, Retry, Retrying, TransportExt},
    body::Body,
    clock::Clock,
    error::{Error, ErrorKind},
    retry_after::retry_after,
    secrets::Secrets,
    transport::{SendFuture, Transport},
};
