#![doc = include_str!("../README.md")]

mod action_kind;
mod action_query;
mod actions;
mod answer;
mod api;
mod authorization;
mod behaviors;
mod blobs;
mod builder;
mod certificate;
mod collection;
mod control;
mod deflate;
mod dice;
mod duplicates;
mod emulator;
mod entra;
mod entra_error;
mod error;
mod error_code;
mod fast_clock;
mod fault;
mod fault_order;
mod faults;
mod grants;
mod hand_clock;
mod history;
mod http_date;
mod http_offer;
mod identity;
mod ids;
mod in_process;
mod investigation;
mod jwt;
mod ledger;
mod library;
mod life;
mod links;
mod live_response;
mod log;
mod machine;
mod machine_action;
mod machine_change;
mod machine_query;
mod machine_record;
mod metadata;
mod multipart;
mod odata;
mod operation;
mod outcomes;
mod plan;
mod problem;
mod quota;
mod request_body;
mod request_log;
mod route;
mod server;
mod service;
mod slow_body;
mod spelling;
mod state;
mod state_dir;
mod submit;
mod tasks;
mod told_action;
mod wire_format;
mod written;

pub use {
    blobs::Transcripts,
    builder::EmulatorBuilder,
    deflate::Deflate,
    duplicates::Duplicates,
    emulator::Emulator,
    error::Error,
    error_code::ErrorCode,
    fast_clock::FastClock,
    fault::{Fault, RetryAfter},
    faults::FaultRule,
    grants::AssertionUse,
    http_offer::HttpOffer,
    in_process::InProcess,
    investigation::Investigations,
    ledger::{Effect, Entry},
    life::Outcome,
    machine::MachineState,
    odata::InOperator,
    operation::Operation,
    outcomes::OutcomeRule,
    problem::Targets,
    quota::{Quotas, RetryAfterForm},
    spelling::{CreatedStatus, FirstUpdate, Fractions, Nulls, UpdateName},
    state::State,
    wire_format::{Comments, DateHeader, ExternalIds, Particulars, Requestor, Rows},
};
