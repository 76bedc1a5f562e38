//! What a worker waits for.

use std::{future::poll_fn, task::Poll};

use futures_util::{FutureExt, StreamExt};

use super::{
    context::Step,
    worker::{FIRST_READ, Reads, Worker},
};
use crate::{Error, departure::Note};

/// What the loop has waited for.
pub(super) enum Happened {
    Note(Note),
    Step(Result<Step, Error>),
    Read(Box<Reads>),
    Time,
}

impl Worker {
    /// Begins a read of the list, if it is time.
    pub(super) fn read_if_due(&mut self) {
        let Some(mut set) = self.set.take() else { return };
        for (index, awaited) in self.added.drain(..) {
            set.add(index, awaited);
        }
        if self.waiting.is_empty() || self.now() < self.read_at || self.failure.is_some() {
            self.set = Some(set);
            return;
        }
        self.reading = Some(Box::pin(async move {
            let ended = set.read().await;
            (set, ended)
        }));
    }

    /// Waits until something happens.
    pub(super) async fn wait(&mut self) -> Happened {
        let now = self.now();
        let may_claim = self.failure.is_none() && self.rows.len() < self.most;
        let times = [
            Some(self.heartbeat_at),
            may_claim.then_some(self.claim_at.max(self.send_at)),
            (self.set.is_some() && !self.waiting.is_empty() && self.failure.is_none()).then_some(self.read_at),
        ];
        let until = times.into_iter().flatten().min().unwrap_or(self.heartbeat_at);
        if until <= now {
            return Happened::Time;
        }
        let mut time = self.context.clock().sleep_until(until);
        let Self { entry, rows, ends, reading, .. } = self;
        poll_fn(|context| {
            if let Some(note) = entry.inbox.poll(context.waker()) {
                return Poll::Ready(Happened::Note(note));
            }
            if let Poll::Ready(Some(step)) = rows.poll_next_unpin(context) {
                return Poll::Ready(Happened::Step(step));
            }
            if let Poll::Ready(Some(step)) = ends.poll_next_unpin(context) {
                return Poll::Ready(Happened::Step(step));
            }
            if let Some(Poll::Ready(read)) = reading.as_mut().map(|reading| reading.poll_unpin(context)) {
                *reading = None;
                return Poll::Ready(Happened::Read(read.into()));
            }
            // A request that departed in this poll.
            if let Some(note) = entry.inbox.poll(context.waker()) {
                return Poll::Ready(Happened::Note(note));
            }
            time.poll_unpin(context).map(|()| Happened::Time)
        })
        .await
    }

    pub(super) fn read_soon(&mut self) {
        self.read_delay = FIRST_READ;
        self.read_at = self.now().saturating_add(FIRST_READ);
    }
}
