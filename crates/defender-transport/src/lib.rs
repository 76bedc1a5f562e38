#![doc = include_str!("../README.md")]

mod body;
pub mod clock;
#[cfg(feature = "compression")]
mod decompressed;
mod error;
pub mod extensions;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "hyper")]
mod tls;
mod transport;

#[cfg(feature = "tokio")]
pub use clock::SystemClock;
#[cfg(feature = "compression")]
pub use decompressed::Decompressed;
#[cfg(feature = "hyper")]
pub use hyper::{HyperTransport, HyperTransportBuilder};
#[cfg(feature = "hyper")]
pub use tls::{Crypto, Roots};
pub use {
    body::Body,
    clock::Clock,
    error::{Error, ErrorKind},
    transport::{Transport, TransportExt},
};
