//! The queue of one scope: the waiting calls, their order, and the next turn.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use crate::{
    Clock,
    clock::Sleep,
    extensions::RateLimit,
    quota::{
        gate::{Ended, Gate},
        log::{Log, Room},
    },
};

/// The queue of one scope. The lock is held only to read or change the state, and never while a call waits.
#[derive(Debug)]
pub(super) struct Queue(Mutex<State>);

#[derive(Debug)]
struct State {
    log: Log,
    gate: Gate,
    /// Waiting calls by number, which is the order in which they came.
    waiting: VecDeque<(u64, Waker)>,
    /// Number of the next call.
    next: u64,
}

impl Queue {
    pub(super) fn new(windows: &[RateLimit]) -> Self {
        let (log, gate) = (Log::new(windows), Gate::default());
        Self(Mutex::new(State { log, gate, waiting: VecDeque::new(), next: 0 }))
    }

    /// Waits until a call may be sent, in the order of the first polls, and counts it.
    ///
    /// Nothing happens before the first poll. If the future is dropped while it waits, it leaves nothing behind.
    pub(super) fn turn<'a>(&'a self, clock: &'a dyn Clock, patience: Duration) -> Turn<'a> {
        Turn { queue: self, clock, patience, begin: None, place: None, timer: None }
    }

    /// Returns true if a new queue would behave in the same way.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        let state = self.lock();
        state.waiting.is_empty() && state.gate == Gate::Open && state.log.is_over(now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(all(test, feature = "testing"))]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }
}

/// Decision on a call that wants to be sent.
enum Told {
    /// Send the call, as the call with this number.
    Go(u64),
    /// Try again at this time, or when woken.
    Wait(Duration),
    /// The call cannot be sent in time: its turn is not before this time.
    Late(Duration),
}

impl State {
    /// Decides on the call at `place`, or on a new call; also returns the call that must be woken.
    fn ask(
        &mut self,
        place: &mut Option<u64>,
        deadline: Duration,
        now: Duration,
        waker: &Waker,
    ) -> (Told, Option<Waker>) {
        let index = place.map_or(self.waiting.len(), |number| self.index(number));
        let opens = (index == 0).then(|| self.opens()).flatten();
        if opens.is_some_and(|opens| opens <= now) {
            let call = place.unwrap_or_else(|| self.number());
            let next = self.leave(place);
            self.log.depart();
            self.gate.pass(call);
            return (Told::Go(call), next);
        }
        let start = self.gate.opens().map_or(now, |opens| opens.max(now));
        let earliest = self.log.no_room_before(index, start, now);
        if earliest > deadline || now >= deadline {
            return (Told::Late(earliest), self.leave(place));
        }
        if let Some((_, registered)) = self.waiting.get_mut(index) {
            registered.clone_from(waker);
        } else {
            let number = *place.insert(self.number());
            self.waiting.push_back((number, waker.clone()));
        }
        (Told::Wait(opens.unwrap_or(Duration::MAX).min(deadline)), None)
    }

    /// Time at which the first call of the queue may be sent; `None` while that depends on a call that is in flight.
    fn opens(&self) -> Option<Duration> {
        match (self.gate.opens(), self.log.room()) {
            (Some(gate), Room::At(room)) => Some(gate.max(room)),
            _ => None,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn index(&self, number: u64) -> usize {
        self.waiting.binary_search_by_key(&number, |&(number, _)| number).unwrap_or_else(|index| index)
    }

    /// Removes a call from the queue. Returns the call that is first now, if that has changed.
    fn leave(&mut self, place: &mut Option<u64>) -> Option<Waker> {
        let index = self.index(place.take()?);
        self.waiting.remove(index);
        if index == 0 { self.first() } else { None }
    }

    fn first(&self) -> Option<Waker> {
        self.waiting.front().map(|(_, waker)| waker.clone())
    }
}

/// See [`Queue::turn`].
pub(super) struct Turn<'a> {
    queue: &'a Queue,
    clock: &'a dyn Clock,
    /// Longest wait of the call.
    patience: Duration,
    /// Start of the wait, by [`Clock::elapsed`].
    begin: Option<Duration>,
    place: Option<u64>,
    timer: Option<(Duration, Sleep)>,
}

/// The turn cannot come in time: the minimum time until it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLate(pub(super) Duration);

impl<'a> Future for Turn<'a> {
    type Output = Result<Slot<'a>, TooLate>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let now = this.clock.elapsed();
            let begin = *this.begin.get_or_insert(now);
            let deadline = begin.saturating_add(this.patience);
            let (told, next) = this.queue.lock().ask(&mut this.place, deadline, now, context.waker());
            // Outside the lock, since a waker may run any code.
            if let Some(next) = next {
                next.wake();
            }
            let until = match told {
                Told::Go(call) => {
                    let (queue, clock) = (this.queue, this.clock);
                    let waited = now.saturating_sub(begin);
                    return Poll::Ready(Ok(Slot { queue, clock, call, waited, ended: Ended::Unanswered }));
                }
                Told::Late(earliest) => return Poll::Ready(Err(TooLate(earliest.saturating_sub(now)))),
                Told::Wait(until) => until,
            };
            if this.timer.as_ref().is_none_or(|&(at, _)| at != until) {
                this.timer = Some((until, this.clock.sleep_until(until)));
            }
            if let Some((_, sleep)) = &mut this.timer {
                ready!(sleep.as_mut().poll(context));
            }
            this.timer = None;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.place.is_some() {
            let next = self.queue.lock().leave(&mut self.place);
            if let Some(next) = next {
                next.wake();
            }
        }
    }
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("place", &self.place).field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// A call that was sent. Its attempt ends when this is dropped, with the outcome that [`end`](Self::end) was given.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    queue: &'a Queue,
    clock: &'a dyn Clock,
    call: u64,
    /// Time for which it waited before it was sent.
    pub(super) waited: Duration,
    ended: Ended,
}

impl Slot<'_> {
    pub(super) fn end(mut self, ended: Ended) {
        self.ended = ended;
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let now = self.clock.elapsed();
        let mut state = self.queue.lock();
        match self.ended {
            Ended::NeverSent => state.log.take_back(),
            _ => state.log.end(now),
        }
        // A gate that closes affects all waiting calls: some have no time left to wait for it.
        let everyone = state.gate.end(self.call, self.ended);
        let woken = if everyone { usize::MAX } else { 1 };
        let woken: Vec<_> = state.waiting.iter().take(woken).map(|(_, waker)| waker.clone()).collect();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }
}
