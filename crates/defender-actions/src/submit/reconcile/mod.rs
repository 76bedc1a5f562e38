//! *Whose action is this?* One module answers for responses, lost responses, refusals and waits.
//!
//! It compares a record of the service with what was submitted, attribute by attribute, with three results: same,
//! different, not stated. Two questions with two rules follow. *May it be ours?* blocks a second request; a record is
//! cleared only by what is certain. *Is it ours?* makes a lost response `Recovered`; every line of the rule must hold.
//! A fact of the service that is not certain may confirm or rank a record. It excludes none and never leads to a second
//! request.
//!
//! Everything here is a function of its arguments. What the client knows (its clock, what it has seen, what its other
//! submissions hold) is gathered in [`Asked`] by the caller.

mod comparison;
mod requestor;
mod rules;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use self::{
    comparison::{Asked, Comparison, ExternalIdMatch, ParticularsRule, compare_comments},
    requestor::{Names, can_exclude},
    rules::{Accepted, Finding, Refusal, accepted, find, is_another, may_be_ours, refused, was_pending},
    window::Window,
};
