#![doc = include_str!("../README.md")]

mod action;
mod builder;
mod call;
mod client;
mod error;
mod machine;
mod perform;
mod stack;
mod submitted;
mod wait;

pub use defender_auth as auth;
pub use defender_model as model;
pub use defender_transport as transport;

pub use {
    action::{ActionHandle, Cancel, GetAction},
    builder::DefenderClientBuilder,
    client::DefenderClient,
    error::{Error, ErrorKind},
    machine::MachineHandle,
    perform::Perform,
    submitted::Submitted,
    wait::Wait,
};

/// What an `.await` of a request turns it into.
pub type BoxFuture<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;
