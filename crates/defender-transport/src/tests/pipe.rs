//! The bytes of a connection that are under way in one direction.

use std::{collections::VecDeque, task::Waker};

use bytes::Bytes;
use tokio::time::Instant;

/// Number of bytes that are under way before a writer must wait.
pub(super) const WINDOW: usize = 64 << 10;

/// The bytes of one direction.
pub(super) struct Pipe {
    /// Bytes that are under way, and their arrival; no bytes are the end.
    pub(super) segments: VecDeque<(Instant, Bytes)>,
    pub(super) queued: usize,
    pub(super) sent: usize,
    pub(super) cut_after: Option<usize>,
    pub(super) silent_after: Option<usize>,
    pub(super) ended: bool,
    /// Time at which a reader or a writer here learns that the connection was reset.
    pub(super) broken: Option<Instant>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Pipe {
    pub(super) fn new(cut_after: Option<usize>, silent_after: Option<usize>) -> Self {
        Self {
            segments: VecDeque::new(),
            queued: 0,
            sent: 0,
            cut_after,
            silent_after,
            ended: false,
            broken: None,
            reader: None,
            writer: None,
        }
    }

    pub(super) fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.is_some_and(|at| at <= Instant::now())
    }

    /// Puts bytes on their way, none for the end. Says when they are there, if this is where the connection is cut.
    pub(super) fn push(&mut self, mut bytes: Bytes, at: Instant) -> Option<Instant> {
        let end = bytes.is_empty();
        let left = |limit: Option<usize>| limit.map_or(usize::MAX, |limit| limit.saturating_sub(self.sent));
        let (to_cut, to_silence) = (left(self.cut_after), left(self.silent_after));
        let is_cut = bytes.len() >= to_cut;
        self.sent += bytes.len();
        bytes.truncate(to_cut.min(to_silence));
        let at = self.segments.back().map_or(at, |(before, _)| at.max(*before));
        if !bytes.is_empty() || (end && to_silence > 0) {
            self.queued += bytes.len();
            self.segments.push_back((at, bytes));
            self.reader.take().into_iter().for_each(Waker::wake);
        }
        is_cut.then_some(at)
    }
}
