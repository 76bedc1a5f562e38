#![doc = include_str!("../README.md")]

mod action_kind;
mod action_query;
mod actions;
mod answer;
mod api;
mod authorization;
mod blobs;
mod builder;
mod certificate;
mod collection;
mod deflate;
mod dice;
mod duplicates;
mod emulator;
mod entra;
mod entra_error;
mod error;
mod fault;
mod faults;
mod grants;
mod history;
mod identity;
mod in_process;
mod jwt;
mod ledger;
mod library;
mod life;
mod links;
mod live_response;
mod machine;
mod machine_action;
mod machine_change;
mod machine_query;
mod multipart;
mod odata;
mod operation;
mod outcomes;
mod plan;
mod problem;
mod quota;
mod request_body;
mod route;
mod server;
mod service;
mod slow_body;
mod spelling;
mod submit;
mod tasks;

pub use {
    builder::EmulatorBuilder,
    deflate::Deflate,
    duplicates::Duplicates,
    emulator::Emulator,
    error::Error,
    fault::{Fault, RetryAfter},
    faults::FaultRule,
    in_process::InProcess,
    ledger::{Effect, Entry},
    life::Outcome,
    machine::MachineState,
    operation::Operation,
    outcomes::OutcomeRule,
    quota::{Quotas, RetryAfterForm},
    spelling::{CreatedStatus, Fractions, Nulls, UpdateName},
};
