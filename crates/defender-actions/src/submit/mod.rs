//! An action from its request to its known outcome.

pub(crate) mod attempt;
pub(crate) mod external_id;
pub(crate) mod identity;
pub(crate) mod look;
pub(crate) mod principal;
pub(crate) mod reconcile;
