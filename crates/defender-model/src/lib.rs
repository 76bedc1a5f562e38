#![doc = include_str!("../README.md")]

mod comment;
mod error;
mod id;

pub use {
    comment::Comment,
    error::{Error, ErrorKind},
    id::{ActionId, MachineId},
};
