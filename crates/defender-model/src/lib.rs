#![doc = include_str!("../README.md")]

mod action;
mod error;
mod machine;
mod odata;
mod response;
mod sha1;
mod wire;

pub use {
    action::{
        Action, Match, WithExternalId,
        cancel::CancelMachineAction,
        collect::CollectInvestigationPackage,
        command::{CommandParam, CommandRecord, CommandStatus, RecordedCommand},
        comment::Comment,
        info::{ACTIONS, ActionInfo},
        isolate::{Isolate, IsolationType},
        kind::ActionType,
        limit::Limit,
        live_response::{LiveResponse, LiveResponseCommand},
        offboard::Offboard,
        platform::Platforms,
        quarantine::StopAndQuarantineFile,
        record::{MachineAction, RelatedFileInfo},
        restrict::RestrictCodeExecution,
        role::UserRole,
        scan::{RunAntiVirusScan, ScanType},
        status::ActionStatus,
        unisolate::Unisolate,
        unrestrict::UnrestrictCodeExecution,
    },
    error::{Error, ErrorKind},
    machine::{
        IpAddress, Machine,
        entra_device_id::EntraDeviceId,
        name::MachineName,
        state::{ExposureLevel, HealthStatus, OnboardingStatus, RiskScore},
        tags::{TagAction, TagMachine, TagMachines},
        update::UpdateMachine,
        value::{DeviceValue, SetDeviceValue},
    },
    odata::{
        filter::Filter,
        literal::{Literal, Operand},
        property::{Order, Property},
        query::Query,
    },
    response::{
        library_file::LibraryFile,
        link::DownloadLink,
        page::{Page, UnreadableRow},
        problem::{Code, Problem},
        transcript::Transcript,
    },
    sha1::Sha1,
    wire::{
        id::{ActionId, MachineId},
        json::{json_text, read_json},
        open_enum::UnknownValue,
        resource::Resource,
        sanitize::{sanitize_line, sanitize_terminal},
    },
};
