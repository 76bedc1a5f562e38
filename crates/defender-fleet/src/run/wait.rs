//! Events that a worker waits for.

use std::{future::poll_fn, sync::Arc, task::Poll};

use defender_actions::{Error as ServiceError, ErrorKind, model::MachineAction};
use futures_util::{FutureExt, StreamExt};

use super::worker::{FIRST_READ, Reads, Stepped, Worker};
use crate::inbox::Note;

/// Event that ends a wait of the loop.
pub(super) enum Happened {
    Note(Note),
    Step(Stepped),
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
        let context = Arc::clone(&self.context);
        self.reading = Some(Box::pin(async move {
            let ended = set.read().await;
            let is_of_read = |(_, outcome): &(u32, Result<MachineAction, ServiceError>)| {
                outcome.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Forbidden))
            };
            // The error of a list is that of each wait, and so is the error of the last record. Another list tells them apart.
            let may_be_of_list = set.is_empty() && !ended.is_empty() && ended.iter().all(is_of_read);
            let is_of_list =
                may_be_of_list && context.client.actions().pages().next().await.is_none_or(|page| page.is_err());
            (set, ended, is_of_list)
        }));
    }

    /// Waits until something happens.
    pub(super) async fn wait(&mut self) -> Happened {
        let now = self.now();
        let claim_at = if now < self.send_at { self.take_over_at.min(self.send_at) } else { self.claim_at };
        let may_claim = self.failure.is_none() && self.rows.len() < self.most;
        let times = [
            Some(self.heartbeat_at),
            may_claim.then_some(claim_at),
            (self.set.is_some() && !self.waiting.is_empty() && self.failure.is_none()).then_some(self.read_at),
        ];
        let until = times.into_iter().flatten().min().unwrap_or(self.heartbeat_at);
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
            // Last, also if it has passed: a store that is slow in each step would leave no time to the rows.
            time.poll_unpin(context).map(|()| Happened::Time)
        })
        .await
    }

    pub(super) fn read_soon(&mut self) {
        self.read_delay = FIRST_READ;
        self.read_at = self.now().saturating_add(FIRST_READ);
    }
}
