//! The count of the requests of a quota: in a queue of one process, or in a store that several processes share.

pub(crate) mod gate;
pub(crate) mod log;
mod memory;
mod store;

pub use self::{
    memory::MemoryQuotaStore,
    store::{EndedPermit, PermitId, PermitOutcome, PermitRequest, Permits, QuotaStore, QuotaStoreError},
};
