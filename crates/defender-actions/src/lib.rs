#![doc = include_str!("../README.md")]

mod action;
mod announcement;
mod ask;
mod builder;
mod call;
mod check;
mod claimed;
mod client;
<<<<<<< HEAD
mod departure;
=======
mod content_range;
mod download;
>>>>>>> dabc09f (feat(actions): packages and live response results, streamed, resumed, hashed, and saved whole or not at all)
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
<<<<<<< HEAD
mod patience;
mod perform;
mod preflight;
mod raw;
=======
mod partial_file;
mod perform;
mod preflight;
mod printable;
>>>>>>> dabc09f (feat(actions): packages and live response results, streamed, resumed, hashed, and saved whole or not at all)
mod recover;
mod service_time;
mod sha256;
mod stack;
mod submitted;
<<<<<<< HEAD
mod telling;
=======
mod unpack;
>>>>>>> dabc09f (feat(actions): packages and live response results, streamed, resumed, hashed, and saved whole or not at all)
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
<<<<<<< HEAD
    error::{Error, ErrorKind, UnknownReason},
=======
    download::{Download, Downloaded, Progress},
    error::{Error, ErrorKind},
>>>>>>> dabc09f (feat(actions): packages and live response results, streamed, resumed, hashed, and saved whole or not at all)
    intent::Intent,
    library::{Library, Upload},
    list::Listing,
    live_response_result::{LiveResponseResult, ScriptResult},
    machine::MachineHandle,
    machines::Machines,
    perform::Perform,
    preflight::{Obstacle, Preflight, Readiness},
    raw::Raw,
    recover::Recover,
    sha256::Sha256,
    submitted::{Origin, Submitted},
    wait::Wait,
    wait_all::WaitAll,
};

/// What an `.await` of a request turns it into.
pub type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;
