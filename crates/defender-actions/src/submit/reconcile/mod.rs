//! The two rules of *Whose action is this?*, for responses, lost responses, refusals and waits.
//!
//! A record of the service is compared with the submission, attribute by attribute, with three results: same, different, not
//! stated. Two rules follow. *May it be ours?* blocks a second request; only certain facts clear a record. *Is it ours?* makes a
//! lost response `Recovered`; every line of the rule must hold. An uncertain fact of the service may confirm or rank a record. It
//! excludes no record and never leads to a second request.
//!
//! All functions here depend on their arguments only. The caller collects the client's knowledge (its clock, the records that it
//! has seen, the records of its other submissions) in [`ComparisonInput`].

mod comparison;
mod requestor;
mod rules;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use self::{
    comparison::{Comparison, ComparisonInput, ExternalIdMatch, compare_comments},
    requestor::{Names, can_exclude},
    rules::{Accepted, Finding, Refusal, accepted, find, is_another, may_be_ours, refused, was_pending},
    window::Window,
};
