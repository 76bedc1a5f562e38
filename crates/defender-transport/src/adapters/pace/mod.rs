//! Keeping to a quota that has several windows at once, such as 100 calls a minute *and* 1,500 an hour.

mod gate;
mod log;
mod queue;
mod report;
#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use self::{gate::Ended, queue::Queue, report::Report};
use crate::{
    Body, Clock, Error, ErrorKind, Transport,
    extensions::{QuotaKey, RateLimitScope, Timeouts},
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
/// call that is dropped later keeps its slot, since the server may have counted it. A call that waits and is never polled
/// holds up those behind it until their own time is over.
///
/// Clones share their queues. A scope costs a few machine words for each call of its widest window, and nothing once it is idle
/// and room is needed for others.
///
/// # The time
///
/// Waiting counts against [`Timeouts::total`], or else [`total`](Self::total), 5 minutes by default. A wait that cannot
/// end in time fails at once, and any other wait when its time is over, with [`ErrorKind::Timeout`]: the request
/// [was never sent](Error::never_sent), and [`Error::retry_after`] is the minimum time until its turn. The inner
/// transport gets the rest of `Timeouts::total`.
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
/// ```
/// use std::{borrow::Cow, time::Duration};
/// use defender_transport::extensions::{RateLimitScope, RateLimit};
///
/// const LIMITS: &[RateLimit] = &[
///     RateLimit { calls: 100, per: Duration::from_secs(60) },
///     RateLimit { calls: 1_500, per: Duration::from_secs(3_600) },
/// ];
/// let scope = RateLimitScope { key: "things".into(), limits: Cow::Borrowed(LIMITS) };
/// let request = http::Request::get("https://example.com/things").extension(scope).body(()).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Paced<T> {
    inner: T,
    shared: Arc<Shared>,
    total: Duration,
}

#[derive(Debug)]
struct Shared {
    clock: Box<dyn Clock>,
    scopes: Mutex<Lanes>,
}

/// The queues that are in use. Idle queues are dropped when there are twice as many queues as were in use the last time.
#[derive(Debug, Default)]
struct Lanes {
    queues: BTreeMap<QuotaKey, Arc<Queue>>,
    sweep_at: usize,
}

/// Default limit of a wait.
const TOTAL: Duration = Duration::from_secs(300);
/// Time for which a 429 without `Retry-After` closes the gate.
const PAUSE: Duration = Duration::from_secs(60);
/// Longest time for which a 429 closes the gate.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);
/// Number of queues up to which idle queues are kept.
const FEW: usize = 32;

impl<T> Paced<T> {
    /// Wraps `inner`; times are taken from `clock`.
    pub fn new(inner: T, clock: impl Clock + 'static) -> Self {
        let shared = Shared { clock: Box::new(clock), scopes: Mutex::default() };
        Self { inner, shared: Arc::new(shared), total: TOTAL }
    }

    /// Longest wait of a request whose [`Timeouts`] have no limit. With [`Duration::MAX`], a request waits for as long as it
    /// takes.
    #[must_use]
    pub fn total(mut self, total: Duration) -> Self {
        self.total = total;
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
            None => Ended::Unanswered,
        }
    }
}

impl Shared {
    fn queue(&self, scope: &RateLimitScope) -> Arc<Queue> {
        let mut scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = scopes.queues.get(&scope.key) {
            return Arc::clone(queue);
        }
        if scopes.queues.len() >= scopes.sweep_at.max(FEW) {
            let now = self.clock.elapsed();
            // Every holder of a queue got it under this lock, so a queue without holders is not about to be asked.
            scopes.queues.retain(|_, queue| Arc::strong_count(queue) > 1 || !queue.is_idle(now));
            scopes.sweep_at = scopes.queues.len().saturating_mul(2);
        }
        let queue = Arc::new(Queue::new(&scope.limits));
        scopes.queues.insert(scope.key.clone(), Arc::clone(&queue));
        queue
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Paced<T> {
    fn send<'a, 'f>(&'a self, mut request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let Some(scope) = request.extensions().get::<RateLimitScope>() else { return self.inner.send(request) };
        let (queue, clock) = (self.shared.queue(scope), &*self.shared.clock);
        Box::pin(async move {
            let said = request.extensions().get::<Timeouts>().and_then(|times| times.total);
            let report = Report::begin(&request, clock);
            let slot = queue.turn(clock, said.unwrap_or(self.total)).await;
            let slot = slot.map_err(|late| {
                let name = report.too_late(&request, clock, late.0);
                let said = format!("the turn in the queue `{name}` comes in {:?} at the earliest", late.0);
                Error::new(ErrorKind::Timeout).not_sent().with_retry_after(late.0).context(said)
            })?;
            let waited = slot.waited;
            report.left(&request, waited);
            if let (Some(total), Some(times)) = (said, request.extensions_mut().get_mut::<Timeouts>()) {
                times.total = Some(total.saturating_sub(waited));
            }
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
