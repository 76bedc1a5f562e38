//! Traps of other clients of this API. Each trap about actions, waits, errors or tokens has a test with its number here. The traps
//! about machines, downloads and the library are in `tests/files`.

mod errors;
mod requests;
mod submissions;
mod tokens;
mod waits;

use async_trait::async_trait;
use bytes::Bytes;
use defender_actions::{
    DefenderClient,
    auth::StaticCredential,
    transport::{Body, Error as TransportError, Transport, testing::ManualClock},
};
use http::{Request, Response};

/// Transport with one response for all requests.
#[derive(Clone, Debug)]
pub(super) struct Saying(u16, &'static str);

impl Saying {
    pub(super) fn new(status: u16, body: &'static str) -> Self {
        Self(status, body)
    }

    pub(super) fn client(&self) -> (DefenderClient, ManualClock) {
        let clock = ManualClock::new();
        let builder = DefenderClient::builder().credential(StaticCredential::new("t")).transport(self.clone());
        (builder.clock(clock.clone()).build().unwrap(), clock)
    }
}

#[async_trait]
impl Transport for Saying {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Body>, TransportError> {
        Ok(Response::builder().status(self.0).body(Body::from(self.1)).unwrap())
    }
}
