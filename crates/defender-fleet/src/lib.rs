#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod action;
mod claim;
mod departure;
mod error;
mod fleet;
mod guarded_journal;
mod inbox;
mod plan;
mod reads;
mod report;
mod run;
mod state;
mod stores;
mod targets;
mod tenants;

pub use self::{
    action::FleetAction,
    error::{Error, ErrorKind},
    fleet::Fleet,
    plan::{ApprovedPlan, Candidate, LeftOut, LeftOutReason, Plan, PlanBuilder, PlanPermissions, PlanRow},
    report::{Report, ReportCounts, ReportRow, ReportState},
    run::{
        DownloadedRow, RetryRows, Revert, RowAttempt, RowError, RowOrigin, Run, RunEvent, RunEventKind, RunRow,
        RunSummary,
    },
    state::{Isolation, MachineState, PendingChange, Restriction, StateNow},
    stores::Stores,
    targets::Targets,
    tenants::{Tenant, Tenants, TenantsFile},
};
