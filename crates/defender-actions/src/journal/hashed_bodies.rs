//! A journal that keeps a hash of the bodies.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use defender_model::MachineAction;

use super::{
    Journal,
    entry::{Entry, EntryKey, Holder, Intended, JournalScope, Settled, Settlement, Unsettled},
    error::JournalError,
};
use crate::Intent;

/// Part of a request's body that the journal keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JournalBody {
    /// The body, which has the parameters of live response scripts. The default.
    #[default]
    Full,
    /// The comment, the external id, and a SHA-256 of the rest together with the external id. The commands of a live response session
    /// are also removed from the records.
    ///
    /// An action is then recovered by its generated external id only, and a key is still refused for another action.
    Hash,
}

/// Journal that gets hashes in place of bodies.
#[derive(Debug)]
pub(crate) struct HashedBodies(pub(crate) Arc<dyn Journal>);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Journal for HashedBodies {
    async fn intend(
        &self,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, JournalError> {
        self.0.intend(key, &intent.with_hashed_body(), holder, lease).await
    }

    async fn may_resend(&self, key: &EntryKey) -> Result<(), JournalError> {
        self.0.may_resend(key).await
    }

    async fn settle(&self, key: &EntryKey, holder: Holder, outcome: &Settlement) -> Result<Settled, JournalError> {
        match outcome {
            Settlement::Submitted { origin, action } => {
                let action = Box::new(without_commands(action));
                self.0.settle(key, holder, &Settlement::Submitted { origin: *origin, action }).await
            }
            other => self.0.settle(key, holder, other).await,
        }
    }

    async fn finish(&self, key: &EntryKey, last: &MachineAction) -> Result<(), JournalError> {
        self.0.finish(key, &without_commands(last)).await
    }

    async fn claim_unsettled(
        &self,
        scope: &JournalScope,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, JournalError> {
        self.0.claim_unsettled(scope, holder, lease, at_most).await
    }

    async fn entry(&self, key: &EntryKey) -> Result<Option<Entry>, JournalError> {
        self.0.entry(key).await
    }
}

/// Returns the record without its commands, and without fields that this version does not know, which may have them too.
fn without_commands(action: &MachineAction) -> MachineAction {
    let mut action = action.clone();
    action.commands = None;
    action.extra.clear();
    action
}
