//! The whole stack over a simulated network: real HTTP on both ends, and no time.
//!
//! There is one clock: tokio's, paused, which jumps to the next timer whenever nothing else can go on. hyper's own timers
//! (of its pool, of HTTP/2) are on it in any case, and a [`ManualClock`](crate::testing::ManualClock) beside it would stand
//! still while tokio's jumps. So the layers get a [`Clock`] that reads it.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tokio's paused clock is the clock here, and a helper of a test fails as the test does"
)]

mod dropped;
mod network;
mod server;
mod storm;

use std::time::Duration;

use http::Uri;
use jiff::Timestamp;
use tokio::time::Instant;

use self::{network::Network, server::Server};
use crate::{
    Clock, HyperTransport, PlainHttp, Roots,
    clock::Sleep,
    dial::{Dialing, Stream},
};

/// Carries the number of a request, which stands for what it asks.
const ID: &str = "x-id";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Tokio's clock, which a test has paused.
#[derive(Clone, Debug)]
struct Paused(Instant);

impl Paused {
    fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Runs `test` on one thread, in no time.
fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}

/// The wire, over `network` to `server`.
fn wire(network: &Network, server: &Server, protocol: Protocol) -> HyperTransport {
    let (network, server) = (network.clone(), server.clone());
    let dial = move |_: &Uri| -> Dialing {
        let (network, server) = (network.clone(), server.clone());
        Box::pin(async move {
            let stream = Stream::new(network.dial(|end| server.accept(end)).await?);
            Ok(if protocol == Protocol::Http2 { stream.speaking_http_2() } else { stream })
        })
    };
    HyperTransport::builder().roots(Roots::bundled()).plain_http(PlainHttp::Loopback).over(dial).build().unwrap()
}
