#![doc = include_str!("../README.md")]

mod action;
mod action_status;
mod action_type;
mod comment;
mod error;
mod field;
mod id;
mod limit;
mod live_response;
mod machine_action;
mod open_enum;
mod problem;
mod resource;
mod restrict;
mod unrestrict;

pub use {
    action::Action,
    action_status::ActionStatus,
    action_type::ActionType,
    comment::Comment,
    error::{Error, ErrorKind},
    id::{ActionId, MachineId},
    limit::Limit,
    live_response::{CommandParam, CommandRequest, CommandStatus, LiveResponseCommand},
    machine_action::{MachineAction, RelatedFileInfo},
    open_enum::Unrecognised,
    problem::{Code, Problem},
    restrict::RestrictCodeExecution,
    unrestrict::UnrestrictCodeExecution,
};
