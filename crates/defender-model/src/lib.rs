#![doc = include_str!("../README.md")]

mod action;
mod action_properties;
mod action_status;
mod action_type;
mod cancel;
mod collect;
mod comment;
mod date;
mod device_value;
mod entra_device_id;
mod error;
mod field;
mod filter;
mod id;
mod isolate;
mod json;
mod library_file;
mod limit;
mod link;
mod literal;
mod live_response;
mod machine;
mod machine_action;
mod machine_name;
mod machine_properties;
mod machine_state;
mod machine_tags;
mod offboard;
mod open_enum;
mod page;
mod percent;
mod problem;
mod property;
mod quarantine;
mod query;
mod resource;
mod restrict;
mod run_live_response;
mod sanitize;
mod scan;
mod sha1;
mod transcript;
mod unisolate;
mod unrestrict;
mod update_machine;

pub use {
    action::{Action, Match, WithExternalId},
    action_status::ActionStatus,
    action_type::ActionType,
    cancel::CancelMachineAction,
    collect::CollectInvestigationPackage,
    comment::Comment,
    device_value::{DeviceValue, SetDeviceValue},
    entra_device_id::EntraDeviceId,
    error::{Error, ErrorKind},
    filter::Filter,
    id::{ActionId, MachineId},
    isolate::{Isolate, IsolationType},
    json::{json_text, read_json},
    library_file::LibraryFile,
    limit::Limit,
    link::DownloadLink,
    literal::{Literal, Operand},
    live_response::{CommandParam, CommandRecord, CommandStatus, RecordedCommand},
    machine::{IpAddress, Machine},
    machine_action::{MachineAction, RelatedFileInfo},
    machine_name::MachineName,
    machine_state::{ExposureLevel, HealthStatus, OnboardingStatus, RiskScore},
    machine_tags::{TagAction, TagMachine, TagMachines},
    offboard::Offboard,
    open_enum::Unrecognised,
    page::{Page, UnreadableRow},
    problem::{Code, Problem},
    property::{Order, Property},
    quarantine::StopAndQuarantineFile,
    query::Query,
    resource::Resource,
    restrict::RestrictCodeExecution,
    run_live_response::{LiveResponse, LiveResponseCommand},
    sanitize::{sanitize_line, sanitize_terminal},
    scan::{RunAntiVirusScan, ScanType},
    sha1::Sha1,
    transcript::Transcript,
    unisolate::Unisolate,
    unrestrict::UnrestrictCodeExecution,
    update_machine::UpdateMachine,
};
