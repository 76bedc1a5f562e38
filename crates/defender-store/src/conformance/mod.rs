//! The contracts of [`QuotaStore`](defender_transport::QuotaStore) and [`Journal`](defender_actions::Journal) as suites, for the stores
//! of this crate and for others.
//!
//! Each clause uses a key or a scope of its own, so that a suite may run on a store in use. Clauses that depend on time judge a store by what
//! must hold at any speed: a clause that a busy machine has delayed is repeated with twice the time.

mod journal;
mod quota;
mod verdict;

pub use self::{
    journal::JournalSuite,
    quota::{QuotaSuite, fullest_window},
    verdict::Verdict,
};
