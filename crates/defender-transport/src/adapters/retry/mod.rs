//! Retries of requests that may be sent again.

mod decision;
mod policy;
mod saved_request;
#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response};

pub use self::policy::Retry;
use self::{decision::Decision, saved_request::SavedRequest};
use crate::{
    Body, Clock, Error, Transport,
    extensions::{self, Attempts, Idempotency, Resends, Timeouts, Unauthorized},
    retry_after,
    transport::SendFuture,
};

/// Sends a request again where that is safe, and never otherwise.
///
/// # Outcomes
///
/// The request's [`Idempotency`] states whether sending it twice has more effect than sending it once.
///
/// | outcome of an attempt | [`Idempotent`](Idempotency::Idempotent) | [`NonIdempotent`](Idempotency::NonIdempotent) |
/// |---|---|---|
/// | a [permanent error](Error::is_permanent), which a retry would repeat: a request that cannot be sent, an unknown CA, a proxy that refuses, a response that is too large, a credential that has retried by itself | returned | returned |
/// | an error that [was never sent](Error::never_sent): no connection, no free stream, a stream refused, HTTP/1.1 demanded, no turn in a queue | sent again | sent again |
/// | 425, 429: the server refused the request | sent again | sent again |
/// | 401 | sent again once, with another token | sent again once, with another token |
/// | 408, any 5xx | sent again | returned: the request may have taken effect |
/// | a response [that the intended server did not write](crate::ErrorKind::ForeignResponse), of any status | sent again | returned: the request may have taken effect |
/// | any other error, before the head of the response or in its body | sent again | returned: the request may have taken effect |
/// | any other response | returned | returned |
///
/// A broken body is an error of the attempt only if the inner transport is [`Buffered`](crate::Buffered).
///
/// # Delays
///
/// The delay before a retry is the longer of two: the backoff of the [`Retry`] policy, and the time that the response
/// ([`Retry-After`](fn@retry_after)) or the error ([`Error::retry_after`]) asks for. After a 401 there is no delay.
///
/// A call ends after the attempts of the policy, or if the next delay would leave no time. The time of the whole call is the
/// request's [`Timeouts::total`], or else the policy's. The caller gets the last outcome unchanged, a response with its body.
/// The bodies of the earlier responses are dropped.
///
/// # Reports
///
/// [`Error::attempts`] and, in a response's extensions, [`Attempts`] report the number of attempts. An error
/// [was never sent](Error::never_sent) only if that holds for each of them.
///
/// The layers beneath get each attempt with the remaining time of the call ([`Timeouts::total`]), with [`Resends`] if it
/// is not the first, and with [`Unauthorized`] if the response to the previous attempt was 401. This layer does not end an
/// attempt that takes too long: [`Deadline`](crate::Deadline) does. A call that is dropped sends nothing more.
///
/// ```
/// use bytes::Bytes;
/// # #[cfg(feature = "testing")] {
/// use defender_transport::{Body, Transport, TransportExt, extensions::Attempts, testing::{ManualClock, MockTransport}};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), defender_transport::Error> {
/// let mut transport = MockTransport::new();
/// transport.expect_send().times(1).returning(|_| Ok(Response::builder().status(503).body(Body::empty()).unwrap()));
/// transport.expect_send().times(1).returning(|_| Ok(Response::new(Body::from("fine"))));
/// let clock = ManualClock::new();
///
/// let transport = transport.retrying(clock.clone());
/// let request = Request::get("https://example.com/").body(Bytes::new()).unwrap();
/// let response = clock.run(transport.send(request)).await?;
/// assert_eq!((response.status().as_u16(), Attempts::of(&response)), (200, 2));
/// # Ok(())
/// # }
/// # main().unwrap() }
/// ```
#[derive(Clone, Debug)]
pub struct Retrying<T> {
    inner: T,
    clock: Arc<dyn Clock>,
    retry: Retry,
    random: Arc<Mutex<Rng>>,
}

impl<T> Retrying<T> {
    /// Wraps `inner` with the default [`Retry`] policy.
    pub fn new(inner: T, clock: impl Clock + 'static) -> Self {
        let retry = Retry::default();
        Self { inner, clock: Arc::new(clock), retry, random: Arc::new(Mutex::new(retry.random())) }
    }

    /// Sets the number of attempts and the delays between them.
    #[must_use]
    pub fn policy(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self.random = Arc::new(Mutex::new(retry.random()));
        self
    }

    /// Returns the delay after `outcome`, the outcome of attempt number `sendings`.
    fn wait(&self, outcome: &Result<Response<Body>, Error>, sendings: u32) -> Duration {
        let asked = match outcome {
            Ok(response) => retry_after(response.headers(), self.clock.now()),
            Err(error) => error.retry_after(),
        };
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        self.retry.wait(sendings, &mut random).max(asked.unwrap_or_default())
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Retrying<T> {
    fn send<'a, 'f>(&'a self, mut request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let idempotency = Idempotency::of(&request);
        let times: Timeouts = extensions::of(&request).copied().unwrap_or_default();
        // The layers beneath find a time that all calls of an operation share.
        let total = times.total.unwrap_or_else(|| {
            request.extensions_mut().insert(times.total(self.retry.total));
            self.retry.total
        });
        let kept = (self.retry.attempts > 1).then(|| SavedRequest::of(&request));
        let mut exchange = self.inner.send(request);
        Box::pin(async move {
            let end = self.clock.elapsed().saturating_add(total);
            let mut call = Call { sendings: 1, perhaps_processed: false };
            let mut renewed = false;
            loop {
                let outcome = exchange.await;
                if call.sendings == 1 && outcome.as_ref().is_ok_and(|response| response.status().is_success()) {
                    return outcome; // The usual case.
                }
                let verdict = Decision::on(&outcome, idempotency);
                let is_last = call.sendings >= self.retry.attempts;
                let Some(kept) = kept.as_ref().filter(|_| !is_last) else { return call.ends(outcome) };
                let (wait, unauthorized) = match (verdict, &outcome) {
                    (Decision::Reauthenticate, Ok(response)) if !renewed && self.retry.renews => {
                        renewed = true;
                        (Duration::ZERO, Some(Unauthorized::of(response)))
                    }
                    (Decision::Stop | Decision::Reauthenticate, _) => return call.ends(outcome),
                    _ => (self.wait(&outcome, call.sendings), None),
                };
                if wait >= end.saturating_sub(self.clock.elapsed()) {
                    return call.ends(outcome);
                }
                drop(outcome);
                if !wait.is_zero() {
                    self.clock.sleep(wait).await;
                }
                let left = end.saturating_sub(self.clock.elapsed());
                let mut again = kept.request(left);
                let extensions = again.extensions_mut();
                extensions.insert(Resends(call.sendings));
                match unauthorized {
                    Some(unauthorized) => drop(extensions.insert(unauthorized)),
                    None => drop(extensions.remove::<Unauthorized>()),
                }
                exchange = self.inner.send(again);
                call.perhaps_processed |= verdict == Decision::RetryIdempotent;
                call.sendings = call.sendings.saturating_add(1);
            }
        })
    }
}

/// Progress of a call so far.
#[derive(Debug)]
struct Call {
    sendings: u32,
    /// True if the server may have processed an attempt before the last.
    perhaps_processed: bool,
}

impl Call {
    /// Adds the number of attempts to the last outcome.
    fn ends(&self, outcome: Result<Response<Body>, Error>) -> Result<Response<Body>, Error> {
        match outcome {
            Ok(mut response) if self.sendings > 1 => {
                response.extensions_mut().insert(Attempts(self.sendings));
                Ok(response)
            }
            Err(error) => {
                let error = error.after_attempts(self.sendings);
                Err(if self.perhaps_processed { error.perhaps_sent() } else { error })
            }
            response => response,
        }
    }
}
