//! An action from its request to its known outcome.

pub(crate) mod action_request;
pub(crate) mod intent;
pub(crate) mod reconciler;
pub(crate) mod recover;
pub(crate) mod registry;
pub(crate) mod span;
pub(crate) mod submitted;

pub(crate) mod attempt;
pub(crate) mod external_id;
pub(crate) mod identity;
pub(crate) mod look;
pub(crate) mod principal;
pub(crate) mod reconcile;
