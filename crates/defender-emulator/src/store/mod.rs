//! The state of the service: machines, actions, library files, sign-ins, quotas, and the records of what was received.

pub(crate) mod action;
pub(crate) mod action_kind;
pub(crate) mod actions;
pub(crate) mod duplicates;
pub(crate) mod grants;
pub(crate) mod history;
pub(crate) mod initial_state;
pub(crate) mod ledger;
pub(crate) mod library;
pub(crate) mod lifecycle;
pub(crate) mod live_response;
pub(crate) mod machine_record;
pub(crate) mod machines;
pub(crate) mod outcomes;
pub(crate) mod quota;
pub(crate) mod request_log;
pub(crate) mod seeded_action;
