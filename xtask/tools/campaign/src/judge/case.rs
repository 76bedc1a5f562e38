//! The evidence of a tenant by tag and by id.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    evidence::{Claim, Evidence, LedgerEntry, Record, Submission},
    figures::Count,
};

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) count: Count,
    /// The submission or the cancellation that it is about, if it is about one.
    pub(crate) tag: Option<String>,
    pub(crate) words: String,
}

/// The evidence, with what finds it fast.
pub(super) struct Case<'e> {
    pub(super) evidence: &'e Evidence,
    pub(super) submissions: BTreeMap<&'e str, &'e Submission>,
    /// The POSTs of each tag, in the order in which they were received.
    pub(super) posts: BTreeMap<&'e str, Vec<&'e LedgerEntry>>,
    /// The POST that made each action.
    pub(super) makers: BTreeMap<&'e str, &'e LedgerEntry>,
    pub(super) records: BTreeMap<&'e str, &'e Record>,
    /// Claims of each tag, in their order.
    pub(super) said: BTreeMap<&'e str, Vec<&'e Claim>>,
}

impl<'e> Case<'e> {
    pub(super) fn of(evidence: &'e Evidence) -> Self {
        let mut case = Self {
            evidence,
            submissions: evidence.submissions.iter().map(|each| (each.tag.as_str(), each)).collect(),
            posts: BTreeMap::new(),
            makers: BTreeMap::new(),
            records: evidence.records.iter().map(|record| (record.id.as_str(), record)).collect(),
            said: BTreeMap::new(),
        };
        for entry in &evidence.ledger {
            case.posts.entry(entry.tag().unwrap_or_default()).or_default().push(entry);
            case.makers.extend(entry.created().map(|id| (id, entry)));
        }
        for claim in &evidence.claims {
            case.said.entry(&claim.tag).or_default().push(claim);
        }
        case
    }

    /// The POSTs of `tag`.
    pub(super) fn posts(&self, tag: &str) -> &[&'e LedgerEntry] {
        self.posts.get(tag).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Body of a POST.
pub(super) fn body(post: &LedgerEntry) -> Value {
    serde_json::from_str(&post.body).unwrap_or_default()
}

/// Returns true if the status tells the client that nothing was done.
pub(super) fn is_refusal(entry: &LedgerEntry) -> bool {
    matches!(entry.status, 401 | 425 | 429)
}
