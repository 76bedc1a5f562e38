#![doc = include_str!("../README.md")]

mod body;
pub mod clock;
mod collected;
mod deadline;
#[cfg(feature = "compression")]
mod decompressed;
mod error;
pub mod extensions;
#[cfg(feature = "hyper")]
mod hyper;
mod location;
mod paced;
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
#[cfg(feature = "tracing")]
mod traced;
mod transport;

#[cfg(feature = "tokio")]
pub use clock::SystemClock;
#[cfg(feature = "compression")]
pub use decompressed::Decompressed;
#[cfg(feature = "hyper")]
pub use hyper::{ClientIdentity, Crypto, HyperTransport, HyperTransportBuilder, PlainHttp, Proxy, Roots};
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
