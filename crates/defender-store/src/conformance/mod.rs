//! The contracts of [`QuotaStore`](defender_transport::QuotaStore), [`Journal`](defender_actions::Journal) and
//! [`RunStore`](crate::RunStore) as suites, for the stores of this crate and for others.
//!
//! Each clause uses a key, a scope or a run of its own, so that a suite may run on a store in use. Clauses that depend on time judge a store by what
//! must hold at any speed: a clause that a busy machine has delayed is repeated with twice the time.

mod journal;
mod quota;
mod runs;
mod verdict;

pub use self::{
    journal::JournalSuite,
    quota::{QuotaSuite, fullest_window},
    runs::RunSuite,
    verdict::Verdict,
};
