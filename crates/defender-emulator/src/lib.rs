#![doc = include_str!("../README.md")]

mod action_kind;
mod actions;
mod api;
mod authorization;
mod builder;
mod certificate;
mod deflate;
mod emulator;
mod entra;
mod entra_error;
mod error;
mod identity;
mod jwt;
mod ledger;
mod machine_action;
mod path;
mod problem;
mod request_body;
mod server;
mod service;
mod tasks;

pub use {
    builder::EmulatorBuilder,
    deflate::Deflate,
    emulator::Emulator,
    error::Error,
    ledger::{Effect, Entry},
};
