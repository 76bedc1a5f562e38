//! An action that is waited for.

use defender_model::{ActionId, MachineAction};

use crate::{Submitted, submit::identity::Identity};

/// Action of a [wait for many](crate::DefenderClient::wait_all_keyed): known by its id, or as a [`Submitted`].
///
/// Of a [`Submitted`], each record is compared with the submission, as in [`Submitted::wait`].
#[derive(Clone, Debug)]
pub struct Awaited {
    pub(super) id: ActionId,
    pub(super) identity: Identity,
    /// Record of the submission.
    pub(super) last: Option<MachineAction>,
}

impl From<ActionId> for Awaited {
    fn from(id: ActionId) -> Self {
        Self { id, identity: Identity::Unknown, last: None }
    }
}

impl From<&ActionId> for Awaited {
    fn from(id: &ActionId) -> Self {
        id.clone().into()
    }
}

impl From<&Submitted> for Awaited {
    fn from(submitted: &Submitted) -> Self {
        let (id, identity) = (submitted.id().clone(), submitted.identity().clone());
        Self { id, identity, last: Some(submitted.action().clone()) }
    }
}

impl From<Submitted> for Awaited {
    fn from(submitted: Submitted) -> Self {
        (&submitted).into()
    }
}
