//! The queue, and its reports to the store.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use super::{
    SEND_WITHIN,
    state::{Place, State},
};
use crate::{
    Clock,
    clock::Sleep,
    extensions::{QuotaKey, RateLimit},
    quota::{PermitRequest, Permits, QuotaStore, QuotaStoreError},
};

/// Longest time for which a response waits for the report of its permit. A report that takes longer is repeated with the next.
const REPORT_WITHIN: Duration = Duration::from_secs(1);

/// The queue of one scope.
#[derive(Debug)]
pub(crate) struct SharedQueue {
    store: Arc<dyn QuotaStore>,
    pub(super) clock: Arc<dyn Clock>,
    key: QuotaKey,
    pub(super) limits: Vec<RateLimit>,
    /// Time for which the store keeps a permit that nobody releases.
    hold: Duration,
    state: Mutex<State>,
    /// One of the calls reports ends to the store.
    is_reporting: AtomicBool,
}

impl SharedQueue {
    /// Creates the queue of a key. `longest_attempt` is the longest time from sending a request to its arrival.
    pub(crate) fn new(
        store: Arc<dyn QuotaStore>,
        clock: Arc<dyn Clock>,
        key: QuotaKey,
        limits: Vec<RateLimit>,
        longest_attempt: Duration,
    ) -> Self {
        let hold = SEND_WITHIN.saturating_add(longest_attempt);
        Self { store, clock, key, limits, hold, state: Mutex::default(), is_reporting: AtomicBool::new(false) }
    }

    /// Returns true if a new queue would behave in the same way.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    /// Asks the store for permits, after a report of the ended calls. A later response would be of no use.
    pub(super) async fn ask(self: Arc<Self>, places: Vec<Place>) -> Result<Permits, QuotaStoreError> {
        let late = self.clock.sleep(SEND_WITHIN);
        let asked = pin!(self.reserve(places));
        first_of(asked, late).await.unwrap_or_else(|| {
            Err(QuotaStoreError::new(format!("no response within {SEND_WITHIN:?}; check the store, then call again")))
        })
    }

    async fn reserve(&self, places: Vec<Place>) -> Result<Permits, QuotaStoreError> {
        self.report().await?;
        self.lock().ask_begins();
        let permits: Vec<_> = places.iter().map(|place| place.permit()).collect();
        let request = PermitRequest { key: &self.key, limits: &self.limits, permits: &permits, hold: self.hold };
        self.store.reserve(&request).await
    }

    /// Reports the ends that the store does not know.
    async fn report(&self) -> Result<(), QuotaStoreError> {
        let ended = self.lock().ended(self.hold, self.clock.elapsed());
        if !ended.is_empty() {
            self.store.release(&self.key, &ended).await?;
            let next = self.lock().reported(&ended);
            // Outside the lock, since a waker may run any code.
            if let Some(next) = next {
                next.wake();
            }
        }
        Ok(())
    }

    /// Reports the end of a call and those that come meanwhile, unless another call does it. After a failure, the next ask repeats it.
    pub(super) async fn report_soon(&self) {
        let late = self.clock.sleep(REPORT_WITHIN);
        let reported = pin!(async {
            // An end that comes just before the mark is reset is seen by the check after it.
            while !self.lock().is_reported() && !self.is_reporting.swap(true, Ordering::SeqCst) {
                let _reporting = Reporting(&self.is_reporting);
                if self.report().await.is_err() {
                    return;
                }
            }
        });
        first_of(reported, late).await;
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the output of a future, or `None` if the time is over first.
async fn first_of<F: Future>(mut future: Pin<&mut F>, mut late: Sleep) -> Option<F::Output> {
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => late.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// Resets the mark of the reporting call, also if the call is dropped.
struct Reporting<'a>(&'a AtomicBool);

impl Drop for Reporting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
