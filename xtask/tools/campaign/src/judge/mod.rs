//! The judge: what the client said, beside what the emulator knows. It does nothing, and believes the emulator alone.

mod claims;
mod last_word;
pub(crate) mod quota;
#[cfg(test)]
mod rule_tests;
mod rules;
mod sendings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    evidence::{Claim, Effect, Evidence, LedgerEntry, Origin, Record, Said, Submission},
    figures::{Count, Figures},
};

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) count: Count,
    /// The submission or the cancelling that it is about, if it is about one.
    pub(crate) tag: Option<String>,
    pub(crate) words: String,
}

/// What was found, and what was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) findings: Vec<Finding>,
    pub(crate) figures: Figures,
}

/// Judges one tenant.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let case = Case::of(evidence);
    let mut findings = sendings::judge(&case);
    findings.extend(claims::judge(&case));
    findings.extend(quota::judge(evidence));
    let mut figures = case.figures();
    for finding in &findings {
        figures.against.note(finding.count);
    }
    Verdict { findings, figures }
}

/// The evidence, with what finds it fast.
struct Case<'e> {
    evidence: &'e Evidence,
    submissions: BTreeMap<&'e str, &'e Submission>,
    /// The POSTs of each tag, in the order in which they were received.
    posts: BTreeMap<&'e str, Vec<&'e LedgerEntry>>,
    /// The POST that made each action.
    makers: BTreeMap<&'e str, &'e LedgerEntry>,
    records: BTreeMap<&'e str, &'e Record>,
    /// What was said of each tag, in its order.
    said: BTreeMap<&'e str, Vec<&'e Claim>>,
}

impl<'e> Case<'e> {
    fn of(evidence: &'e Evidence) -> Self {
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
    fn posts(&self, tag: &str) -> &[&'e LedgerEntry] {
        self.posts.get(tag).map(Vec::as_slice).unwrap_or_default()
    }

    fn figures(&self) -> Figures {
        let mut figures = Figures { seeds: 1, unpromised: self.unpromised(), ..Figures::default() };
        let count = |into: &mut u64| *into = into.saturating_add(1);
        self.evidence.submissions.iter().for_each(|_| count(&mut figures.actions));
        // Those of whoever is not the client are not counted.
        let tags: BTreeSet<&str> = self.submissions.keys().chain(self.said.keys()).copied().collect();
        for entry in tags.iter().flat_map(|tag| self.posts(tag)) {
            count(&mut figures.posts);
            if matches!(entry.effect, Effect::Created | Effect::Cancelled) {
                count(&mut figures.effects);
            }
        }
        for submission in self.evidence.submissions.iter().filter(|submission| submission.resend_if_lost) {
            let in_doubt = self.posts(&submission.tag).iter().filter(|post| !is_refusal(post)).count();
            if in_doubt > 1 {
                count(&mut figures.resent);
            }
        }
        for arrival in &self.evidence.arrivals {
            count(figures.calls.entry(arrival.operation.clone()).or_default());
        }
        let ways = &mut figures.ways;
        for claim in &self.evidence.claims {
            match &claim.said {
                Said::Submitted { origin: Origin::Created, .. } => count(&mut ways.created),
                Said::Submitted { origin: Origin::Joined, .. } => count(&mut ways.joined),
                Said::Submitted { origin: Origin::Recovered, .. } => {
                    count(&mut ways.recovered);
                    let asked = self.submissions.get(claim.tag.as_str());
                    if asked.is_some_and(|submission| submission.incarnation != claim.incarnation) {
                        count(&mut ways.found_by_another);
                    }
                }
                Said::Error(trouble) if trouble.unknown => count(&mut ways.unknown),
                _ => {}
            }
        }
        // One that is dropped, looked for and killed meanwhile is one.
        let is_dropped = |claims: &&Vec<&Claim>| claims.iter().any(|claim| claim.said == Said::Nothing);
        self.said.values().filter(is_dropped).for_each(|_| count(&mut figures.ways.dropped));
        figures
    }
}

/// What a POST says.
fn body(post: &LedgerEntry) -> Value {
    serde_json::from_str(&post.body).unwrap_or_default()
}

/// Whether whoever was answered with this status knows that nothing was done.
fn is_refusal(entry: &LedgerEntry) -> bool {
    matches!(entry.status, 401 | 425 | 429)
}
