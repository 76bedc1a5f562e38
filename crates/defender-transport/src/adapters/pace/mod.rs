//! Keeping to a quota that has several windows at once, such as 100 calls a minute *and* 1,500 an hour.

mod queue;
mod report;
mod scopes;
mod shared;
#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use self::{
    queue::Queue,
    report::Report,
    scopes::Scopes,
    shared::{queues::SharedQueues, turn::NoPermit},
};
use crate::{
    Body, Clock, Error, ErrorKind, Transport,
    extensions::{self, RateLimitScope, SendBefore, Timeouts},
    quota::{PermitOutcome, QuotaStore, QuotaStoreError, gate::Ended},
    retry_after,
    transport::SendFuture,
};

/// Sends requests no faster than their [`RateLimitScope`] allows. A request without a scope is sent at once.
///
/// # The windows
///
/// A server counts each window back from *now*, so a token bucket is not enough: a bucket of 100 tokens lets 200 calls
/// through in its first minute. This layer keeps the times of the last calls instead, and sends a call once every window of
/// its scope has room. A call takes its slot when it is sent and keeps it until the window has passed since the attempt
/// *ended*, with the head of a response or an error: the server counts the call when it arrives, which is somewhere in between.
/// At any latency, no window therefore has more calls than its limit by the count of the server. Two things are not known
/// here: calls of other processes, and the arrival of a request whose attempt was given up while it was still on its way.
///
/// # The queue
///
/// Calls of one scope are sent in the order in which they came. A call that is dropped while it waits leaves nothing behind; a
/// call that is dropped later keeps its slot, since the server may have counted it. A call of which nothing was sent gives its
/// slot back. A call that waits and is never polled holds up those behind it until their own time is over.
///
/// Clones share their queues. A scope costs a few machine words for each call of its widest window, and nothing once it is idle
/// and room is needed for others.
///
/// # The time
///
/// Waiting counts against [`Timeouts::total`], or else [`total`](Self::total), 5 minutes by default. A wait that cannot
/// end in time fails at once, and any other wait when its time is over, with [`ErrorKind::Timeout`]: the request
/// [was never sent](Error::never_sent), and [`Error::retry_after`] is the minimum time until its turn if no slot is given back. The
/// inner transport gets the rest of `Timeouts::total`.
///
/// With the feature `tracing`, two events have the target `defender_transport::queue` and the field `scope`. A call that has
/// waited for more than a second is reported when it is sent: `INFO`, with the field `waited`, in seconds. A call whose turn does not
/// come in time is reported as `WARN`, with the field `retry_after`, in seconds.
///
/// [`CallStats`](crate::extensions::CallStats) has the time that a call has waited, the number of its attempts and of its 429s.
///
/// # The gate
///
/// A response of 429 closes the scope until its `Retry-After`, read as [`retry_after`](fn@crate::retry_after) does; for 60
/// seconds if it names none, and for 15 minutes at most. Then one call is sent alone as a probe, while the others wait. After
/// another 429, the gate stays closed for the `Retry-After` of that response. If the probe gets no response, the next call is
/// the probe. After any other response, the gate is open. The caller gets the 429: [`Retrying`](crate::Retrying) decides on
/// another attempt.
///
/// # Several processes
///
/// With a [`store`](Self::store) the count is the store's, which several processes or clients share. The queue stays that of this
/// process: its first call asks the store for all that wait. A slot that a call gives back is used by the same process once the store
/// knows of it; other processes ask again when the wait is over that the store named. If the store does not respond, nothing is sent:
/// [`ErrorKind::QuotaStore`].
///
/// ```
/// use std::time::Duration;
/// use defender_transport::extensions::{RateLimitScope, RateLimit};
///
/// const LIMITS: &[RateLimit] = &[
///     RateLimit { calls: 100, per: Duration::from_secs(60) },
///     RateLimit { calls: 1_500, per: Duration::from_secs(3_600) },
/// ];
/// let scope = RateLimitScope { key: "things".into(), limits: LIMITS.into() };
/// let request = http::Request::get("https://example.com/things").extension(scope).body(()).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Paced<T> {
    inner: T,
    shared: Arc<Shared>,
    /// The queues before a store, if there is one.
    stored: Option<Arc<SharedQueues>>,
    total: Duration,
    longest_attempt: Duration,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    scopes: Scopes<Queue>,
}

/// Default limit of a wait.
const TOTAL: Duration = Duration::from_secs(300);
/// Default limit from sending a request to its arrival.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(40);
/// Time for which a 429 without `Retry-After` closes the gate.
const PAUSE: Duration = Duration::from_secs(60);
/// Longest time for which a 429 closes the gate.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

impl<T> Paced<T> {
    /// Wraps `inner`; times are taken from `clock`.
    pub fn new(inner: T, clock: impl Clock + 'static) -> Self {
        let shared = Shared { clock: Arc::new(clock), scopes: Scopes::default() };
        Self { inner, shared: Arc::new(shared), stored: None, total: TOTAL, longest_attempt: LONGEST_ATTEMPT }
    }

    /// Longest wait of a request whose [`Timeouts`] have no limit. With [`Duration::MAX`], a request waits for as long as it
    /// takes.
    #[must_use]
    pub fn total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    /// Counts in a store instead of in this layer, so that all processes with the store share the quota.
    ///
    /// `owner` is the first part of the keys in the store: the account for which the server counts, such as an application and
    /// its tenant. Clones that were made before have no store. A permit is valid for 30 seconds, and
    /// [`Deadline`](crate::Deadline) keeps to it: put one beneath this layer.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn QuotaStore>, owner: impl Into<String>) -> Self {
        let clock = Arc::clone(&self.shared.clock);
        self.stored = Some(Arc::new(SharedQueues::new(store, clock, owner.into(), self.longest_attempt)));
        self
    }

    /// Sets the longest time from sending a request to its arrival, for which the store keeps the permit of a process that dies.
    /// Default: 40 s, the limits of [`HyperTransport`](crate::HyperTransport) to connect and of [`Deadline`](crate::Deadline) to
    /// the head of the response. Call this before [`store`](Self::store).
    #[must_use]
    pub fn longest_attempt(mut self, longest_attempt: Duration) -> Self {
        self.longest_attempt = longest_attempt;
        self
    }

    /// Number of calls that wait in the queue of `scope`.
    #[cfg(all(test, feature = "testing"))]
    pub(crate) fn waiting(&self, scope: &RateLimitScope) -> usize {
        self.shared.queue(scope).waiting()
    }

    fn outcome(&self, response: &Result<Response<Body>, Error>) -> Ended {
        let status = match response {
            Ok(response) => Some(response.status()),
            Err(error) => error.response_status(),
        };
        match status {
            Some(StatusCode::TOO_MANY_REQUESTS) => {
                let asked = match response {
                    Ok(response) => retry_after(response.headers(), self.shared.clock.now()),
                    Err(error) => error.retry_after(),
                };
                let pause = asked.unwrap_or(PAUSE).min(LONGEST_PAUSE);
                Ended::Refused { until: self.shared.clock.elapsed().saturating_add(pause) }
            }
            Some(_) => Ended::Answered,
            None if is_unsent(response) => Ended::NeverSent,
            None => Ended::Unanswered,
        }
    }
}

impl<T> Paced<T> {
    /// Returns the outcome of an attempt as the store counts it.
    fn permit_outcome(&self, response: &Result<Response<Body>, Error>) -> PermitOutcome {
        match self.outcome(response) {
            Ended::NeverSent => PermitOutcome::NeverSent,
            Ended::Answered => PermitOutcome::Answered,
            Ended::Unanswered => PermitOutcome::Unanswered,
            Ended::Refused { until } => {
                let retry_after = until.saturating_sub(self.shared.clock.elapsed());
                PermitOutcome::Refused { retry_after }
            }
        }
    }
}

impl Shared {
    fn queue(&self, scope: &RateLimitScope) -> Arc<Queue> {
        let is_idle = || {
            let now = self.clock.elapsed();
            move |queue: &Queue| queue.is_idle(now)
        };
        self.scopes.queue(&scope.key, is_idle, || Queue::new(&scope.limits))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Paced<T> {
    fn send<'a, 'f>(&'a self, mut request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let Some(scope) = extensions::of::<RateLimitScope, _>(&request) else { return self.inner.send(request) };
        let said = extensions::of::<Timeouts, _>(&request).and_then(|times| times.total);
        if let Some(stored) = &self.stored {
            let (turn, clock) = (stored.queue(scope).turn(said.unwrap_or(self.total)), &*self.shared.clock);
            return Box::pin(async move {
                let report = Report::begin(&request, clock);
                let slot = turn.await.map_err(|reason| match reason {
                    NoPermit::TooLate(wait) => late(&report, &request, clock, wait),
                    NoPermit::Store(error) => no_permit(error),
                })?;
                request.extensions_mut().insert(SendBefore(slot.send_before()));
                has_waited(&report, &mut request, slot.waited);
                let response = self.inner.send(request).await;
                let outcome = self.permit_outcome(&response);
                if let PermitOutcome::Refused { .. } = outcome {
                    report.throttled();
                }
                slot.end(outcome).await;
                response
            });
        }
        let (queue, clock) = (self.shared.queue(scope), &*self.shared.clock);
        Box::pin(async move {
            let report = Report::begin(&request, clock);
            let slot = queue.turn(clock, said.unwrap_or(self.total)).await;
            let slot = slot.map_err(|too_late| late(&report, &request, clock, too_late.0))?;
            has_waited(&report, &mut request, slot.waited);
            let response = self.inner.send(request).await;
            let ended = self.outcome(&response);
            if let Ended::Refused { .. } = ended {
                report.throttled();
            }
            slot.end(ended);
            response
        })
    }
}

/// Returns true if no body was sent, so that nothing was processed. Over HTTP/2 the head of a request that was given up while it waited
/// for a stream may still leave, so that a server may count one that the quota does not. A stream that the server refuses has arrived, and may be counted.
fn is_unsent(response: &Result<Response<Body>, Error>) -> bool {
    response.as_ref().is_err_and(|error| {
        let is_before_sending = matches!(
            error.kind(),
            ErrorKind::Request | ErrorKind::Connect | ErrorKind::Credential | ErrorKind::Timeout
        );
        error.never_sent() && is_before_sending
    })
}

/// Returns the error of a call for which the store failed. Its text has the message of the store, so the source is the store's own.
fn no_permit(error: Arc<QuotaStoreError>) -> Error {
    let failed = Error::new(ErrorKind::QuotaStore).context(error.to_string());
    if error.source().is_some() { failed.caused_by(Cause(error)) } else { failed }
}

/// Cause of a failure of the store, which several calls share.
#[derive(Debug)]
struct Cause(Arc<QuotaStoreError>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.source().map_or(Ok(()), |source| write!(f, "{source}"))
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()?.source()
    }
}

/// Returns the error of a call whose turn does not come in time.
fn late(report: &Report, request: &Request<Bytes>, clock: &dyn Clock, wait: Duration) -> Error {
    let name = report.too_late(request, clock, wait);
    let said = format!("the turn in the queue `{name}` comes in {wait:?} at the earliest");
    Error::new(ErrorKind::Timeout).not_sent().with_retry_after(wait).context(said)
}

/// Reports the wait of a request, and takes it from the time of its call.
fn has_waited(report: &Report, request: &mut Request<Bytes>, waited: Duration) {
    report.left(request, waited);
    if waited.is_zero() {
        return;
    }
    let times = extensions::of::<Timeouts, _>(request).copied();
    if let Some((times, total)) = times.and_then(|times| Some((times, times.total?))) {
        request.extensions_mut().insert(times.total(total.saturating_sub(waited)));
    }
}
