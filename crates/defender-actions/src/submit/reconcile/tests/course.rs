//! The course of the submissions of a world.

use super::{
    rules::{Decision, Subject},
    service::{Effect, Ms, Record, Reply},
};

/// Outcome of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Created(u8),
    Joined(u8),
    Recovered(u8),
    OtherRecord(u8),
    Conflict(u8),
    AlreadyInProgress(Option<u8>),
    RefusedAgain,
    MayBeOurs,
    NothingFound,
}

impl Outcome {
    /// Record of an `Ok`.
    pub(super) fn ok(self) -> Option<u8> {
        match self {
            Self::Created(id) | Self::Joined(id) | Self::Recovered(id) => Some(id),
            _ => None,
        }
    }

    pub(super) fn is_settled(self) -> bool {
        !matches!(self, Self::OtherRecord(_) | Self::RefusedAgain | Self::MayBeOurs | Self::NothingFound)
    }
}

/// Facts about a submission after its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    /// Time on the service's clock.
    pub(super) first_sent: Ms,
    pub(super) second_sent: Option<Ms>,
    /// Reaction of the service to the first attempt.
    pub(super) first_effect: Option<Reply>,
    pub(super) outcome: Option<Outcome>,
    /// A wait for the action of an `Ok` does not end in another record.
    pub(super) wait_is_ok: bool,
}

/// Course of one submission.
#[derive(Clone, Debug)]
pub(super) struct Course {
    pub(super) subject: Subject,
    pub(super) deed: Deed,
    /// List that decided.
    pub(super) rows: Vec<Record>,
    /// Process of the client that it runs in.
    pub(super) process: usize,
    /// Last decision about a list, with its input.
    pub(super) look: Option<(Subject, Decision)>,
}

/// Events of a world.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) effects: Vec<Effect>,
    pub(super) courses: Vec<Course>,
}
