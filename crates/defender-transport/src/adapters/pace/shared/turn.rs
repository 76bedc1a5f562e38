//! The wait of one call for its permit, and the permit while it is used.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use super::{
    queue::SharedQueue,
    state::{Permit, Place, Step},
};
use crate::{
    clock::Sleep,
    quota::{PermitOutcome, Permits, QuotaStoreError},
};

/// Reason for which a call got no permit.
#[derive(Debug)]
pub(crate) enum NoPermit {
    /// The call cannot be sent in time: the minimum time until its turn.
    TooLate(Duration),
    /// The store failed.
    Store(Arc<QuotaStoreError>),
}

impl SharedQueue {
    /// Waits for a permit, in the order of the first polls. Nothing happens before the first poll.
    pub(crate) fn turn(self: Arc<Self>, patience: Duration) -> Turn {
        Turn { queue: self, patience, begin: None, place: None, ask: None, timer: None }
    }
}

/// See [`SharedQueue::turn`].
pub(crate) struct Turn {
    queue: Arc<SharedQueue>,
    /// Longest wait of the call.
    patience: Duration,
    /// Start of the wait, by [`Clock::elapsed`](crate::Clock::elapsed).
    begin: Option<Duration>,
    place: Option<Place>,
    ask: Option<Ask>,
    timer: Option<(Duration, Sleep)>,
}

/// The ask of one call for all that wait.
struct Ask {
    places: Vec<Place>,
    result: Pin<Box<dyn Future<Output = Result<Permits, QuotaStoreError>> + Send>>,
}

impl Future for Turn {
    type Output = Result<SharedSlot, NoPermit>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let now = this.queue.clock.elapsed();
            let begin = *this.begin.get_or_insert(now);
            let deadline = begin.saturating_add(this.patience);
            let place = this.place.get_or_insert_with(|| this.queue.lock().enter(deadline));
            if let Some(ask) = &mut this.ask
                && let Poll::Ready(result) = ask.result.as_mut().poll(context)
            {
                let woken = this.queue.lock().asked(&ask.places, result, this.queue.clock.elapsed());
                this.ask = None;
                // Outside the lock, since a waker may run any code.
                woken.into_iter().for_each(Waker::wake);
                continue;
            }
            let step = if this.ask.is_some() && now < deadline {
                Step::Wait(deadline)
            } else {
                this.queue.lock().step(place, &this.queue.limits, now, context.waker())
            };
            let until = match step {
                Step::Go(permit) => {
                    this.place = None;
                    let (queue, waited) = (Arc::clone(&this.queue), now.saturating_sub(begin));
                    return Poll::Ready(Ok(SharedSlot { queue, permit, waited, is_ended: false }));
                }
                Step::Failed(error) => return Poll::Ready(Err(NoPermit::Store(error))),
                Step::Late(earliest) => return Poll::Ready(Err(NoPermit::TooLate(earliest.saturating_sub(now)))),
                Step::Ask(places) => {
                    let result = Box::pin(Arc::clone(&this.queue).ask(places.clone()));
                    this.ask = Some(Ask { places, result });
                    continue;
                }
                Step::Wait(until) => until,
            };
            if this.timer.as_ref().is_none_or(|&(at, _)| at != until) {
                this.timer = Some((until, this.queue.clock.sleep_until(until)));
            }
            if let Some((_, sleep)) = &mut this.timer {
                ready!(sleep.as_mut().poll(context));
            }
            this.timer = None;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let now = self.queue.clock.elapsed();
            let next = self.queue.lock().leave(place, self.ask.is_some(), now);
            if let Some(next) = next {
                next.wake();
            }
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("place", &self.place).field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// A call with a permit. If it is dropped, its attempt counts as ended without a response.
#[derive(Debug)]
pub(crate) struct SharedSlot {
    queue: Arc<SharedQueue>,
    permit: Permit,
    /// Time for which the call waited.
    pub(crate) waited: Duration,
    is_ended: bool,
}

impl SharedSlot {
    /// Returns the time before which the request must be sent.
    pub(crate) fn send_before(&self) -> Duration {
        self.permit.send_before
    }

    /// Ends the attempt, and reports its end to the store.
    pub(crate) async fn end(mut self, outcome: PermitOutcome) {
        self.record(outcome);
        self.queue.report_soon().await;
    }

    fn record(&mut self, outcome: PermitOutcome) {
        if !std::mem::replace(&mut self.is_ended, true) {
            let now = self.queue.clock.elapsed();
            self.queue.lock().end(self.permit.id, outcome, now);
        }
    }
}

impl Drop for SharedSlot {
    fn drop(&mut self) {
        self.record(PermitOutcome::Unanswered);
    }
}
