#![doc = include_str!("../README.md")]

mod action;
mod announcement;
mod ask;
mod builder;
mod call;
mod check;
mod claimed;
mod client;
mod departure;
mod error;
mod find;
mod intent;
mod library;
mod list;
mod machine;
mod machines;
mod multipart;
mod outcome;
mod patience;
mod perform;
mod preflight;
mod raw;
mod recover;
mod service_time;
mod stack;
mod submitted;
mod telling;
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
    error::{Error, ErrorKind, UnknownReason},
    intent::Intent,
    library::{Library, Upload},
    list::Listing,
    machine::MachineHandle,
    machines::Machines,
    perform::Perform,
    preflight::{Obstacle, Preflight, Readiness},
    raw::Raw,
    recover::Recover,
    submitted::{Origin, Submitted},
    wait::Wait,
    wait_all::WaitAll,
};

/// What an `.await` of a request turns it into.
pub type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;
