//! The journal: intents and outcomes that survive the process.
//!
//! `entry` has the data, `table` the states of an entry. `memory` and `jsonl` are two journals;
//! `hashed_bodies` keeps bodies out of any journal; `write_intent` writes the intent
//! between the permit of the quota and the request.

pub(crate) mod entry;
pub(crate) mod error;
pub(crate) mod hashed_bodies;
pub(crate) mod journal_entry;
pub(crate) mod jsonl;
pub(crate) mod memory;
pub(crate) mod table;
pub(crate) mod write_intent;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use defender_model::MachineAction;

use self::{
    entry::{Entry, EntryKey, Holder, Intended, JournalScope, Settled, Settlement, Unsettled},
    error::JournalError,
};
use crate::Intent;

/// Durable intents and outcomes of actions.
///
/// With a journal ([`journal`](crate::DefenderClientBuilder::journal)) the client writes the intent of each action right before its
/// request, and the outcome after it. After a crash, [`recover_pending`](crate::DefenderClient::recover_pending) finds the outcomes of
/// the entries that have none. [`JsonlJournal`](crate::JsonlJournal) is a file of one process. A journal in a
/// database, which several processes share, is in `defender-store`.
///
/// # States of an entry
///
/// | state | `intend` with its key | `settle` | `claim_unsettled` |
/// |---|---|---|---|
/// | none | [`New`](Intended::New) | [`NotHeld`](Settled::NotHeld) | |
/// | intended | by its holder [`Mine`](Intended::Mine), else [`Existing`](Intended::Existing) | by its holder: done; `Submitted` by anybody: done; else [`NotHeld`](Settled::NotHeld) | once its lease is over |
/// | `Submitted` | [`Existing`](Intended::Existing) | [`Superseded`](Settled::Superseded) | |
/// | `NotSent`, `Refused` | [`New`](Intended::New): nothing happened, so the key may be used again | `Submitted`: done, since knowledge wins; else [`Superseded`](Settled::Superseded) | |
/// | `Unknown` | [`Existing`](Intended::Existing) | `Submitted`: done, since knowledge wins; else [`Superseded`](Settled::Superseded) | |
///
/// An intended entry is recovered, and its request is never sent again.
///
/// # Contract of an implementation
///
/// - A method returns `Ok` once its effect is durable. After an error, the effect is unknown.
/// - Each method may be repeated with the same arguments without a further effect.
/// - In one [`JournalScope`], no two entries have the same action with an origin of `Created` or `Recovered`:
///   [`ClaimedBy`](Settled::ClaimedBy). Any number of entries may have joined an action.
#[async_trait]
pub trait Journal: fmt::Debug + Send + Sync {
    /// Writes an intent. Its request may be sent only after [`New`](Intended::New) or [`Mine`](Intended::Mine).
    ///
    /// The holder has the entry for the time of the lease. Nobody else recovers it in that time.
    ///
    /// # Errors
    ///
    /// The intent may or may not be in the journal. Nothing may be sent.
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError>;

    /// Asks whether a further attempt of a request may be sent whose intent is written. A call sends further attempts only after a refusal
    /// such as a 429, or if the first attempt certainly did not arrive. Default: it may.
    ///
    /// # Errors
    ///
    /// The attempt is not sent.
    async fn may_resend(&self, _key: &EntryKey) -> Result<(), JournalError> {
        Ok(())
    }

    /// Writes the outcome of an intent.
    ///
    /// # Errors
    ///
    /// The entry may still be intended, and is recovered then.
    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError>;

    /// Writes the last record of an action that has ended. An unknown key is ignored.
    ///
    /// # Errors
    ///
    /// The record may not be in the journal.
    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError>;

    /// Takes over entries of the scope that are intended and whose lease is over: the one whose lease ended first comes first.
    ///
    /// # Errors
    ///
    /// Entries may have been taken over. They are returned again once the new lease is over.
    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError>;

    /// Returns an entry.
    ///
    /// # Errors
    ///
    /// The journal could not be read.
    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError>;
}
