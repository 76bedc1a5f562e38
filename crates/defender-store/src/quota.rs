//! Requests of the quota in the form in which they are stored: times in microseconds, ids as numbers.

use std::time::Duration;

use defender_transport::{EndedPermit, PermitOutcome, PermitRequest, Permits, extensions::QuotaKey};

use crate::micros::{ceiling, floor};

/// A request for permits.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) key: String,
    /// The limits, the one with the fewest calls first: if it is full, the others need no count.
    pub(crate) limits: Vec<Limit>,
    pub(crate) permits: Vec<u128>,
    pub(crate) hold: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Limit {
    pub(crate) calls: i64,
    pub(crate) per: i64,
}

impl Ask {
    pub(crate) fn new(request: &PermitRequest<'_>) -> Self {
        let limit = |limit: &defender_transport::extensions::RateLimit| Limit {
            calls: i64::from(limit.calls.max(1)),
            per: ceiling(limit.per),
        };
        let mut limits: Vec<_> = request.limits.iter().map(limit).collect();
        limits.sort_unstable();
        limits.dedup();
        Self {
            key: request.key.as_str().to_owned(),
            limits,
            permits: request.permits.iter().map(|permit| permit.as_u128()).collect(),
            hold: ceiling(request.hold),
        }
    }
}

/// A report of ended attempts.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) key: String,
    pub(crate) ended: Vec<Ended>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) permit: u128,
    pub(crate) outcome: Outcome,
    pub(crate) ago: i64,
}

/// Outcome of an attempt. The numbers are those of the function `quota_release` in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    NeverSent,
    Unanswered,
    Answered,
    /// The server accepts a request again after this time.
    Refused(i64),
}

impl Report {
    pub(crate) fn new(key: &QuotaKey, ended: &[EndedPermit]) -> Self {
        let ended = ended.iter().map(|ended| Ended {
            permit: ended.id.as_u128(),
            outcome: match ended.outcome {
                PermitOutcome::NeverSent => Outcome::NeverSent,
                PermitOutcome::Unanswered => Outcome::Unanswered,
                PermitOutcome::Answered => Outcome::Answered,
                PermitOutcome::Refused { retry_after } => Outcome::Refused(ceiling(retry_after)),
            },
            ago: floor(ended.ago),
        });
        Self { key: key.as_str().to_owned(), ended: ended.collect() }
    }
}

/// Makes the response from the number of granted permits and the time until another permit can be granted.
pub(crate) fn permits(granted: usize, retry_after: Option<i64>) -> Permits {
    let micros = |micros: i64| Duration::from_micros(u64::try_from(micros).unwrap_or_default());
    Permits { granted, retry_after: retry_after.map(micros) }
}
