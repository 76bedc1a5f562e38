//! The real transport, on a clock that stands still until nobody waits for the network.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use defender_auth::{AccessToken, Error, TokenCredential, TokenRequest};
use defender_transport::{Body, Error as WireError, HyperTransport, PlainHttp, Roots, Transport, testing::ManualClock};
use http::{Request, Response};

/// The transport, which knows whether it waits for a response. Shows nothing of what it carries.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    inner: HyperTransport,
    waiting: Arc<AtomicUsize>,
}

impl Wire {
    /// One that trusts the certificates of `ca`, as PEM, and speaks plain http to the loopback.
    pub(crate) fn trusting(ca: &str) -> Self {
        let inner = HyperTransport::builder().roots(Roots::pem(ca).unwrap()).plain_http(PlainHttp::Loopback);
        Self { inner: inner.build().unwrap(), waiting: Arc::default() }
    }

    /// Number of exchanges that wait for the network.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// Counts itself, also when its exchange is dropped.
struct Waiting<'w>(&'w AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, WireError> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let (head, body) = self.inner.send(request).await?.into_parts();
        // The body is read here, so that time stands still for it too; what is too large is handed on as it comes.
        match body.collect(1 << 22).await {
            Ok(body) => Ok(Response::from_parts(head, Body::from(body))),
            Err(error) => Err(error),
        }
    }
}

/// Asks, and moves the clock whenever nobody waits for the network, or only for answers that never come.
pub(crate) async fn asked(
    credential: &Arc<dyn TokenCredential>,
    clock: &ManualClock,
    is_idle: impl Fn() -> bool + Send + Sync,
) -> Result<AccessToken, Error> {
    let time_passes = async {
        loop {
            if is_idle() {
                clock.advance_to_next();
            }
            tokio::task::yield_now().await;
        }
    };
    let ask = TokenRequest::new();
    tokio::select! {
        outcome = credential.token(&ask) => outcome,
        () = time_passes => unreachable!(),
    }
}
