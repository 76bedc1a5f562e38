//! A server that does not respond.

use std::future::pending;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

use crate::{Body, Error, Transport};

/// Takes every request and never responds: for the client's behavior at its time limit.
///
/// For a server that begins a response and falls silent inside it, see [`Fault::StallBody`](super::Fault::StallBody).
///
/// ```
/// use bytes::Bytes;
/// use defender_transport::{ErrorKind, Transport, TransportExt, testing::{ManualClock, Never}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = ManualClock::new();
/// let transport = Never.deadline(clock.clone());
/// let request = http::Request::get("https://example.com/").body(Bytes::new()).unwrap();
///
/// let error = clock.run(transport.send(request)).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Timeout);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Transport for Never {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Body>, Error> {
        pending().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn it_never_answers() {
        let mut sent = Never.send(Request::new(Bytes::new()));
        assert!((0..1_000).all(|_| (&mut sent).now_or_never().is_none()));
    }
}
