// The example of the README is tested if the features that it uses are on.
#![cfg_attr(any(not(doctest), all(feature = "postgres", feature = "sqlite")), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod journal;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod micros;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod quota;
mod runs;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod schema;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use error::{StoreError, StoreErrorKind};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresStore, PostgresStoreBuilder};
pub use runs::{
    memory::MemoryRunStore,
    record::{
        CreatedRun, Departure, NewRow, NewRun, RowCounts, RowState, RowWritten, RunId, StoredRow, StoredRun, WorkerId,
        WorkerLease,
    },
    store::RunStore,
};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
