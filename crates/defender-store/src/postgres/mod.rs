//! The store in `PostgreSQL`.
//!
//! Each request is one call of a function in the database, so that a client that hangs holds no lock.

mod address;
mod builder;
mod connection;
mod failure;
mod journal;
mod migrate;
mod runs;
mod statements;
mod store;
mod tls;

pub use self::{builder::PostgresStoreBuilder, store::PostgresStore};
