//! The judge: what the client said, held against the service's own records.
//!
//! Written from the design's section *Whose action is this?*, and from nothing of the client.

mod rule;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde_json::Value;

use self::rule::{GRACE, Match, Met};
use super::{
    report::{Claim, Report, Waited},
    server::{Arrival, Fault, Maker, Record, Tenant},
};

/// A count that must be 0, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fall {
    /// A second POST of a submission whose first took effect.
    Twice,
    /// A second POST while nobody could know that the first had no effect.
    Blind,
    /// An `Ok` that is not true.
    Wrong,
    /// An error that says that nothing was taken, though it was.
    Denied,
    /// A lost response that should have been recovered.
    NotRecovered,
    /// A call beyond the quota.
    OverQuota,
}

/// Findings of the judge.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Every fault, with its submission and a trace.
    pub(crate) falls: Vec<(Fall, u64, String)>,
    /// Lost responses that were not recovered, and the line of the rule that their record failed.
    pub(crate) unrecovered: Vec<(u64, &'static str)>,
    /// Events that the design does not promise to prevent.
    pub(crate) unpromised: Vec<(u64, &'static str)>,
    /// Lost responses whose record is readable, states the comment, and has no neighbor; and how many were recovered.
    pub(crate) eligible: (u64, u64),
    /// Lost responses whose record echoes a generated id, and how many were recovered.
    pub(crate) echoed: (u64, u64),
    pub(crate) lost: u64,
    /// Second POSTs that were due to an effect later than the grace.
    pub(crate) late: u64,
    claims: BTreeMap<String, u64>,
    waits: BTreeMap<String, u64>,
}

impl Verdict {
    pub(crate) fn count(&self, fall: Fall) -> usize {
        self.falls.iter().filter(|(kind, ..)| *kind == fall).count()
    }

    /// Returns true if every count is 0 and no share is missed.
    pub(crate) fn holds(&self) -> bool {
        let (eligible, recovered) = self.eligible;
        self.falls.iter().all(|(fall, ..)| *fall == Fall::NotRecovered)
            && recovered * 100 >= eligible * 99
            && self.echoed.0 == self.echoed.1
    }

    fn fall(&mut self, fall: Fall, met: &Met<'_>, what: &str) {
        self.falls.push((fall, met.report.submission, format!("{what}\n{}", trace(met))));
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, u64>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        writeln!(
            f,
            "twice {}, blind {}, wrong {}, denied {}, over quota {}; late {}, not promised {}",
            self.count(Fall::Twice),
            self.count(Fall::Blind),
            self.count(Fall::Wrong),
            self.count(Fall::Denied),
            self.count(Fall::OverQuota),
            self.late,
            self.unpromised.len(),
        )?;
        let (eligible, recovered) = self.eligible;
        let (echoed, known) = self.echoed;
        writeln!(
            f,
            "lost after the effect {}: of {eligible} recoverable ones {recovered} recovered, of {echoed} with an echoed \
             generated id {known}",
            self.lost
        )?;
        writeln!(f, "claims: {}", list(&self.claims))?;
        write!(f, "waits: {}", list(&self.waits))
    }
}

/// Judges every report; `ids_generated` where the client generates external ids.
pub(crate) fn judge(reports: &[Report], tenant: &Tenant, ids_generated: bool) -> Verdict {
    let mut verdict = Verdict::default();
    let mut arrivals: BTreeMap<u64, Vec<&Arrival>> = BTreeMap::new();
    for arrival in &tenant.arrivals {
        if let Some(submission) = arrival.submission {
            arrivals.entry(submission).or_default().push(arrival);
        }
    }
    for report in reports {
        let arrived = arrivals.get(&report.submission).map(Vec::as_slice).unwrap_or_default();
        let body = arrived.first().and_then(|arrival| serde_json::from_str::<Value>(&arrival.body).ok());
        let external_id = body.as_ref().and_then(|body| body.get("ExternalId")?.as_str());
        let first = arrived.first().map_or(report.began, |arrival| arrival.at);
        let met = Met {
            report,
            first,
            opened: report.first_attempt.map_or(first, |attempt| attempt.min(first)),
            external_id,
            generated: ids_generated && external_id.is_some_and(|id| !id.starts_with(super::plan::OWN_ID)),
            tenant,
            reports,
        };
        resent(&mut verdict, &met, arrived);
        claimed(&mut verdict, &met, arrived);
        waited(&mut verdict, &met);
        lost(&mut verdict, &met, arrived);
    }
    if tenant.over_quota > 0 {
        verdict.falls.push((Fall::OverQuota, 0, format!("{} calls were too many", tenant.over_quota)));
    }
    verdict
}

/// Returns true if the client knows of a POST that nothing was done.
fn refused(arrival: &Arrival) -> bool {
    matches!(arrival.status, 401 | 429) && arrival.whole && arrival.effect.is_none()
}

/// Promise 1: second requests.
fn resent(verdict: &mut Verdict, met: &Met<'_>, arrived: &[&Arrival]) {
    let mut doubts = 0;
    for (earlier, later) in arrived.iter().zip(arrived.iter().skip(1)) {
        doubts += u32::from(!refused(earlier));
        if let Some(record) = earlier.effect.and_then(|place| met.tenant.records.get(place)) {
            let shown = record.visible.iter().all(|&at| at <= earlier.at + GRACE);
            if met.report.asked.resend_if_lost && !shown {
                verdict.late += 1;
            } else {
                let what = format!("a second POST arrived at {}, after the first had made {}", later.at, record.id);
                verdict.fall(Fall::Twice, met, &what);
            }
        }
    }
    if doubts > u32::from(met.report.asked.resend_if_lost) {
        verdict.fall(Fall::Blind, met, "it was sent again though its outcome was not known");
    }
}

/// Promise 2: what an `Ok` or an error says of the submission.
fn claimed(verdict: &mut Verdict, met: &Met<'_>, arrived: &[&Arrival]) {
    let report = met.report;
    let (name, found) = match &report.claim {
        Claim::Created(id) => ("created".to_owned(), Some(id)),
        Claim::Recovered(id) => ("recovered".to_owned(), Some(id)),
        Claim::Joined(id) => ("joined".to_owned(), Some(id)),
        Claim::Unknown(reason) => (format!("unknown ({reason})"), None),
        Claim::NotTaken { kind, .. } => (kind.clone(), None),
    };
    *verdict.claims.entry(name).or_default() += 1;
    if let Claim::NotTaken { never_sent, kind } = &report.claim {
        let effect = arrived.iter().any(|arrival| arrival.effect.is_some());
        if effect || *never_sent && !arrived.iter().all(|arrival| refused(arrival)) {
            let what = if effect { "took effect" } else { "arrived" };
            verdict.fall(Fall::Denied, met, &format!("the error is {kind}, and the request {what}"));
        }
    }
    let Some(id) = found else { return };
    let Some(record) = met.tenant.record(id) else {
        return verdict.fall(Fall::Wrong, met, "the service has no such record");
    };
    let is_ours = record.maker == Maker::Submission(report.submission);
    let same = (record.kind, record.machine.as_str()) == (report.asked.kind, report.asked.machine.as_str());
    match &report.claim {
        _ if !same => verdict.fall(Fall::Wrong, met, "the record is of another machine or type"),
        Claim::Joined(_) if record.ended(met.first) => verdict.fall(Fall::Wrong, met, "what was joined had ended"),
        Claim::Joined(_) if record.particulars != report.asked.particulars => {
            if record.states(met.first) {
                verdict.fall(Fall::Wrong, met, "what was joined stated other particulars");
            } else {
                verdict.unpromised.push((report.submission, "joined with other particulars that were not stated"));
            }
        }
        claim if is_ours || matches!(claim, Claim::Joined(_)) => {}
        // Nothing in the record of another process tells it from this submission's.
        _ if met.cannot_be_told_from_ours(record) => {
            verdict.unpromised.push((report.submission, "another's record that cannot be told from its own"));
        }
        Claim::Created(_) if met.made_by_a_twin(record) => {
            verdict
                .unpromised
                .push((report.submission, "created, with the record of a like submission of this client"));
        }
        _ => verdict.fall(Fall::Wrong, met, "the record was made by somebody else"),
    }
}

/// Promise 2: what a wait says.
fn waited(verdict: &mut Verdict, met: &Met<'_>) {
    let report = met.report;
    let Some(waited) = &report.waited else { return };
    let id = match waited {
        Waited::Other(kind) => {
            *verdict.waits.entry(kind.clone()).or_default() += 1;
            return;
        }
        Waited::Succeeded(id) => id,
    };
    *verdict.waits.entry("succeeded".to_owned()).or_default() += 1;
    let Some(record) = met.tenant.record(id) else {
        return verdict.fall(Fall::Wrong, met, "the wait ended on a record that is not there");
    };
    if record.cancelled.is_some() || record.end != "Succeeded" {
        return verdict.fall(Fall::Wrong, met, "the wait is Ok, and the action did not succeed");
    }
    if (record.kind, &record.machine) != (report.asked.kind, &report.asked.machine) {
        return verdict.fall(Fall::Wrong, met, "the wait is Ok on another machine or type");
    }
    if record.particulars != report.asked.particulars {
        if !record.states(Timestamp::MAX) && met.comment(record) == Match::Same {
            verdict.unpromised.push((report.submission, "succeeded with other particulars that are never stated"));
        } else {
            verdict.fall(Fall::Wrong, met, "the wait is Ok on other particulars");
        }
    }
}

/// The share of lost responses that was recovered.
fn lost(verdict: &mut Verdict, met: &Met<'_>, arrived: &[&Arrival]) {
    let report = met.report;
    let made = arrived.iter().find_map(|arrival| Some((*arrival, met.tenant.records.get(arrival.effect?)?)));
    let Some((arrival, record)) = made else { return };
    let was_lost = match (&report.claim, arrival.fault) {
        // A readable response with somebody else's record is not lost.
        (_, Some(Fault::Crossed)) => false,
        (Claim::Unknown(reason), _) if reason == "OtherRecord" => false,
        // Without a fault of its own, the connection broke for another call's sake.
        (_, Some(_)) | (Claim::Recovered(_) | Claim::Unknown(_), None) => true,
        _ => false,
    };
    if !was_lost || matches!(report.claim, Claim::Created(_)) {
        return;
    }
    verdict.lost += 1;
    let recovered = report.claim == Claim::Recovered(record.id.clone());
    let failed = met.failed_line(record);
    let readable = recovered || met.readable(record);
    if met.echoed(record) && readable && met.shown_in_grace(record) {
        verdict.echoed.0 += 1;
        verdict.echoed.1 += u64::from(recovered);
    }
    let states = met.comment(record) == Match::Same;
    let alone = met.neighbor(record).is_none() && !met.taken_by_another(record);
    if readable && states && alone && met.shown_in_grace(record) {
        verdict.eligible.0 += 1;
        verdict.eligible.1 += u64::from(recovered);
    }
    if !recovered {
        verdict.unrecovered.push((report.submission, failed.unwrap_or("no line of the rule failed")));
        if failed.is_none() {
            verdict.fall(Fall::NotRecovered, met, "its response was lost, and its record fails no line of the rule");
        }
    }
}

/// Everything that the service knows of a submission, and what the client said.
fn trace(met: &Met<'_>) -> String {
    let report = met.report;
    let mut lines = vec![
        format!("    asked {:?}", report.asked),
        format!("    from {} to {}: {:?}, wait {:?}", report.began, report.claimed, report.claim, report.waited),
        format!("    {}", report.words),
    ];
    let ids = |place: Option<usize>| place.and_then(|place| met.tenant.records.get(place)).map(|record| &record.id);
    for arrival in met.tenant.arrivals.iter().filter(|arrival| arrival.submission == Some(report.submission)) {
        lines.push(format!(
            "    arrived {}: fault {:?}, status {}, whole {}, made {:?}, showed {:?}; {}",
            arrival.at,
            arrival.fault,
            arrival.status,
            arrival.whole,
            ids(arrival.effect),
            ids(arrival.shown),
            arrival.body
        ));
    }
    let beside = met.tenant.of_machine(report.asked.kind, &report.asked.machine).map(|(_, record)| line(record));
    lines.extend(beside);
    if let Some(record) = report.claim.action().and_then(|id| met.tenant.record(id)) {
        lines.push(format!("{} (claimed)", line(record)));
        let maker = met.reports.iter().find(|other| record.maker == Maker::Submission(other.submission));
        if let Some(maker) = maker.filter(|maker| maker.submission != report.submission) {
            lines.push(format!(
                "    whose submission {} from {} to {}: {:?}; {}",
                maker.submission, maker.began, maker.claimed, maker.claim, maker.words
            ));
        }
    }
    lines.join("\n")
}

fn line(record: &Record) -> String {
    format!(
        "    record {} {:?} of {:?}, created {}, shown by {:?}, starts {}, ends {} {}, {:?}, {:?}",
        record.id,
        record.kind,
        record.maker,
        record.created,
        record.visible,
        record.starts,
        record.ends,
        record.end,
        record.particulars,
        record.shown
    )
}
