#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod action;
mod error;
mod fleet;
mod plan;
mod stores;
mod tenants;

pub use self::{
    action::FleetAction,
    error::{Error, ErrorKind},
    fleet::Fleet,
    plan::{ApprovedPlan, LeftOut, LeftOutReason, Plan, PlanPermissions, PlanRow},
    stores::Stores,
    tenants::{Tenant, Tenants},
};
