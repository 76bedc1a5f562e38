#![doc = include_str!("../README.md")]

mod action;
mod announcement;
mod ask;
mod builder;
mod call;
mod check;
mod claimed;
mod client;
mod content_range;
mod departure;
mod download;
mod error;
mod fetch;
mod file_name;
mod find;
mod intent;
mod library;
mod link;
mod link_target;
mod list;
mod live_response_result;
mod machine;
mod machines;
mod multipart;
mod outcome;
mod partial_file;
mod patience;
mod perform;
mod permissions;
mod pieces;
mod preflight;
mod raw;
mod recover;
mod scrub;
mod seen;
mod service_time;
mod sha256;
mod stack;
mod submit;
mod submitted;
mod telling;
mod unpack;
mod wait;
mod wait_all;

pub use defender_auth as auth;
pub use defender_model as model;
pub use defender_transport as transport;

pub use {
    action::{ActionHandle, Cancel, GetAction},
    announcement::Announcement,
    ask::Ask,
    builder::DefenderClientBuilder,
    check::Concern,
    client::DefenderClient,
    download::{Download, Downloaded, Progress},
    error::{Error, ErrorKind, UnknownReason},
    intent::Intent,
    library::{Library, Upload},
    list::Listing,
    live_response_result::{LiveResponseResult, ScriptResult},
    machine::MachineHandle,
    machines::Machines,
    perform::Perform,
    preflight::{Obstacle, Preflight, Readiness},
    raw::Raw,
    recover::{Recover, RecoverAll},
    sha256::Sha256,
    submit::external_id::ExternalIds,
    submitted::{Origin, Submitted},
    wait::Wait,
    wait_all::WaitAll,
};

/// What an `.await` of a request turns it into.
pub type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;
