//! The figures of a seed.

use std::fmt;

/// Counts of events. Created, recovered, killed, stopped and disturbed must be above zero, or nothing is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) actions: u64,
    pub(crate) posts: u64,
    /// Entries that ended unknown, whose request no emulator received.
    pub(crate) unknown_not_sent: u64,
    /// Entries that ended unknown, whose request had no effect.
    pub(crate) unknown_without_effect: u64,
    /// Rows that ended unknown, and whose action the report has.
    pub(crate) known_late: u64,
    pub(crate) refused: u64,
    pub(crate) finished: u64,
    pub(crate) created: u64,
    pub(crate) recovered: u64,
    pub(crate) killed: u64,
    pub(crate) halted: u64,
    pub(crate) stopped: u64,
    pub(crate) disturbed: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.actions, other.actions),
            (&mut self.posts, other.posts),
            (&mut self.unknown_not_sent, other.unknown_not_sent),
            (&mut self.unknown_without_effect, other.unknown_without_effect),
            (&mut self.known_late, other.known_late),
            (&mut self.refused, other.refused),
            (&mut self.finished, other.finished),
            (&mut self.created, other.created),
            (&mut self.recovered, other.recovered),
            (&mut self.killed, other.killed),
            (&mut self.halted, other.halted),
            (&mut self.stopped, other.stopped),
            (&mut self.disturbed, other.disturbed),
        ];
        for (sum, other) in pairs {
            *sum += other;
        }
    }

    /// Returns what did not happen and should have.
    pub(crate) fn proves_nothing(&self) -> Option<&'static str> {
        let needed = [
            (self.created, "no action was created"),
            (self.recovered, "no action was recovered"),
            (self.killed, "no worker was killed"),
            (self.stopped, "no worker was stopped"),
            (self.disturbed, "the database had no fault"),
        ];
        needed.into_iter().find(|(count, _)| *count == 0).map(|(_, missing)| missing)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} actions, {} POSTs, {} created, {} recovered, {} refused, {} unknown of which nothing arrived, {} unknown without \
             effect, {} known late, {} finished; {} workers killed, {} stopped, {} runs halted, {} faults of the database",
            self.actions,
            self.posts,
            self.created,
            self.recovered,
            self.refused,
            self.unknown_not_sent,
            self.unknown_without_effect,
            self.known_late,
            self.finished,
            self.killed,
            self.stopped,
            self.halted,
            self.disturbed
        )
    }
}
