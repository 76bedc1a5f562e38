#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod action;
mod departure;
mod error;
mod fleet;
mod plan;
mod report;
mod run;
mod stores;
mod tenants;

pub use self::{
    action::FleetAction,
    error::{Error, ErrorKind},
    fleet::Fleet,
    plan::{ApprovedPlan, LeftOut, LeftOutReason, Plan, PlanPermissions, PlanRow},
    report::{Report, ReportCounts, ReportRow, ReportState},
    run::{
        RetryRows, RowAttempt, RowError, RowOrigin, Run, RunEvent, RunEventKind, RunRow, RunSummary,
    },
    stores::Stores,
    tenants::{Tenant, Tenants},
};
