//! Plans: what a run will do, as data that a person reviews.
//!
//! `builder` takes the settings, `resolve` reads machines and history and applies the `guards`, and `check` refuses a plan that is no
//! longer what was approved.

mod approval;
mod builder;
mod check;
mod display;
mod document;
mod estimate;
mod file;
mod guards;
mod hash;
mod left_out;
mod machines;
mod resolve;
mod settings;
mod waves;

pub use self::{
    builder::PlanBuilder,
    document::{ApprovedPlan, Plan, PlanPermissions, PlanRow},
    left_out::{Candidate, LeftOut, LeftOutReason},
};
pub(crate) use self::{hash::hash_of, settings::Reverts};
