//! Decisions that a world needs.

use super::service::{ExternalId, Kind, Ms, Record, Scope};

/// Knowledge of a client about a submission when it judges records. Times are on its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    pub(super) kind: Kind,
    pub(super) scope: Scope,
    pub(super) comment: &'static str,
    pub(super) external_id: Option<ExternalId>,
    pub(super) principal: Principal,
    pub(super) first_attempt: Ms,
    /// The loss, the response, or the latest time of an intent and the longest attempt. The grace is added.
    pub(super) closes: Ms,
    /// Time by which the `Date` of responses is ahead of the own clock.
    pub(super) date_ahead: Option<Ms>,
    /// Records that a response showed before the first attempt.
    pub(super) seen: Ids,
    /// Records that are claimed by other submissions.
    pub(super) claimed: Ids,
    /// Another submission with the same comment and other particulars is in flight or unsettled.
    pub(super) has_rival: bool,
    /// The recovery of an intent, which another computer may have dated.
    pub(super) is_recovery: bool,
}

/// Names in the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Principal {
    GuidAndMail,
    Guid,
    Unknown,
}

/// A set of record ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ids(u64);

impl Ids {
    pub(super) fn insert(&mut self, id: u8) {
        self.0 |= 1 << id;
    }

    pub(super) fn contains(self, id: u8) -> bool {
        self.0 & 1 << id != 0
    }

    pub(super) fn of(ids: impl IntoIterator<Item = u8>) -> Self {
        let mut set = Self::default();
        ids.into_iter().for_each(|id| set.insert(id));
        set
    }
}

/// Decision about a list after a lost response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Recovered(u8),
    MayBeOurs,
    Nothing,
}

/// Decision about a 2xx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    Created,
    Joined,
    OtherRecord,
}

/// Decision about a list after a refusal as already in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Joined(u8),
    Conflict(u8),
    AlreadyInProgress(Option<u8>),
    /// Refusal of a second attempt.
    Unknown,
    /// Another list is needed.
    Undecided,
}

/// A refusal and the list that was read after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal<'r> {
    /// Time of its receipt, on the own clock.
    pub(super) at: Ms,
    /// The `Date` of the refusal.
    pub(super) date: Option<Ms>,
    pub(super) attempt: Attempt,
    pub(super) rows: &'r [Record],
    /// The list was requested after the end of the grace.
    pub(super) is_last: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Attempt {
    First,
    Second,
}

/// The rules of *Whose action is this?*
pub(super) trait Rules {
    /// Returns whether a record blocks a second request.
    fn may_be_ours(&self, subject: &Subject, record: &Record) -> bool;
    /// Decides about a list that was filtered by machine and type.
    fn decide(&self, subject: &Subject, rows: &[Record]) -> Decision;
    /// Decides about the record of a 2xx.
    fn accepted(&self, subject: &Subject, record: &Record) -> Accepted;
    /// Decides about a refusal.
    fn refused(&self, subject: &Subject, refusal: Refusal<'_>) -> Refused;
    /// Returns whether a wait ends in another record.
    fn wait_ends(&self, subject: &Subject, record: &Record) -> bool;
}
