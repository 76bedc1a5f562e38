//! The judge: what the client said, beside what the emulator knows. It does nothing, and believes the emulator alone.

mod case;
mod claims;
mod last_word;
pub(crate) mod quota;
#[cfg(test)]
mod rule_tests;
mod rules;
mod sendings;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub(crate) use self::case::Finding;
use self::case::{Case, is_refusal};
use super::{
    evidence::{Claim, Effect, Evidence, Origin, Said},
    figures::Figures,
};

/// Findings and figures.
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

impl Case<'_> {
    fn figures(&self) -> Figures {
        let mut figures = Figures { seeds: 1, unpromised: self.unpromised(), ..Figures::default() };
        let count = |into: &mut u64| *into = into.saturating_add(1);
        self.evidence.submissions.iter().for_each(|_| count(&mut figures.actions));
        // POSTs of others than the client are not counted.
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
