#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod actions;
mod client;
mod error;
mod files;
mod futures;
mod journal;
mod list;
mod live_response;
mod machines;
pub mod observe;
mod permissions;
mod preflight;
mod submit;
#[cfg(feature = "testing")]
pub mod testing;
mod wait;

pub use defender_auth as auth;
pub use defender_model as model;
pub use defender_transport as transport;

pub use {
    actions::ActionHandle,
    client::{
        DefenderClient, builder::DefenderClientBuilder, deprecation::DeprecationNotice, limits::BodyLimits,
        request::Request,
    },
    defender_model::Sha256,
    error::{Error, ErrorKind, UnknownReason},
    files::download::{Download, Downloaded, Progress},
    futures::{BoxFuture, BoxStream},
    journal::{
        Journal,
        entry::{Entry, EntryKey, Holder, Intended, JournalScope, Settled, Settlement, Unsettled},
        error::JournalError,
        hashed_bodies::JournalBody,
        jsonl::JsonlJournal,
        memory::MemoryJournal,
    },
    list::List,
    live_response::{
        library::{Library, Upload},
        result::{LiveResponseResult, ScriptResult},
    },
    machines::{
        Machines,
        handle::MachineHandle,
        suitability::{SuitabilityIssue, isolation_lapses_after},
    },
    observe::Observer,
    preflight::{Preflight, PreflightIssue, PreflightReport},
    submit::{
        action_request::ActionRequest,
        cancel::Cancel,
        external_id::ExternalIds,
        intent::Intent,
        origin::Origin,
        recover::{Recover, RecoverAll},
        recover_pending::{RecoverPending, Recovered},
        submitted::Submitted,
    },
    wait::{Wait, all::WaitAll, awaited::Awaited, set::WaitSet},
};
