//! Notes for the workers of this process: departures of their requests, and halts.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use futures_util::task::AtomicWaker;

/// Event for a worker from outside of its loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// The request of this row is sent now.
    Departed(u32),
    /// The run was halted in this process.
    Halted,
}

/// Notes for one worker.
#[derive(Default)]
pub(crate) struct Inbox {
    notes: Mutex<VecDeque<Note>>,
    waker: AtomicWaker,
}

impl Inbox {
    pub(crate) fn put(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push_back(note);
        self.waker.wake();
    }

    /// Returns the next note, if there is one.
    pub(crate) fn take(&self) -> Option<Note> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Returns the next note. Without one, the task is woken by the next.
    pub(crate) fn poll(&self, waker: &std::task::Waker) -> Option<Note> {
        self.waker.register(waker);
        self.take()
    }
}
