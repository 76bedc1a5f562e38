//! An action from its request to its known outcome.
//!
//! `action_request` builds a submission and `attempt` sends it. If the response does not show the outcome, `search` searches for the
//! action in the service's lists, and `reconciler` judges records by the rules in `reconcile`. `registry` has the submissions that
//! are in flight, so that two of them never get the same record. `report` tells the log and the observer how each one ended.

pub(crate) mod action_request;
pub(crate) mod cancel;
pub(crate) mod intent;
mod intent_body;
pub(crate) mod origin;
pub(crate) mod reconciler;
pub(crate) mod recover;
pub(crate) mod recover_pending;
pub(crate) mod registry;
pub(crate) mod report;
pub(crate) mod span;
pub(crate) mod submitted;

pub(crate) mod attempt;
pub(crate) mod candidate_list;
pub(crate) mod expected;
pub(crate) mod expiring_map;
pub(crate) mod external_id;
pub(crate) mod identity;
pub(crate) mod journaled;
pub(crate) mod late_outcomes;
pub(crate) mod particulars;
pub(crate) mod principal;
pub(crate) mod reconcile;
pub(crate) mod record;
pub(crate) mod record_facts;
pub(crate) mod search;
pub(crate) mod shared_search;
pub(crate) mod submission;
pub(crate) mod unwritten;
