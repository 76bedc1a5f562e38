//! The transport over real TLS on loopback, against small servers of the tests' own.
#![cfg(all(feature = "hyper", feature = "aws-lc-rs", feature = "compression", feature = "testing"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper of a test fails as the test does")]

mod bundles;
mod certificates;
mod client_identity;
mod closing;
mod crypto;
mod endings;
mod exchange;
mod head;
mod phases;
mod plain_http;
mod proxy;
mod redirects;
mod repeats;
mod runtimes;
mod server;
mod slow;
mod streams;
