#![doc = include_str!("../README.md")]

mod behaviors;
mod builder;
mod clock;
mod emulator;
mod endpoints;
mod entra;
mod error;
mod faults;
mod http;
mod ids;
mod json_fields;
mod listen;
mod odata;
mod rng;
mod service;
mod settings;
mod state_dir;
mod store;
mod wire_format;

pub use {
    builder::EmulatorBuilder,
    clock::fast::FastClock,
    emulator::Emulator,
    error::Error,
    faults::FaultRule,
    faults::kind::{Fault, RetryAfter},
    http::error_code::ErrorCode,
    http::operation::Operation,
    listen::alpn::AlpnProtocols,
    listen::in_process::InProcess,
    odata::InOperator,
    settings::{AssertionUse, CreatedStatus, Deflate, Investigations, Transcripts},
    store::duplicates::Duplicates,
    store::initial_state::State,
    store::ledger::{Effect, Entry},
    store::lifecycle::Outcome,
    store::machines::MachineState,
    store::outcomes::OutcomeRule,
    store::quota::{Quotas, RetryAfterForm},
    wire_format::json_style::JsonStyle,
    wire_format::{Comments, DateHeader, ExternalIds, Particulars, Requestor, Rows},
};
