//! A PostgreSQL server for tests.
#![allow(clippy::print_stderr, reason = "programs use this")]
#![allow(clippy::disallowed_methods, reason = "a database lives in real time")]

pub mod server;
