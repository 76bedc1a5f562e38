//! The judge: compares the journal with what the emulators received.

use std::collections::{HashMap, HashSet};

use defender_actions::{Entry, Origin, Settlement};

use crate::{
    figures::Figures,
    order::{Arrival, Note, TenantReport, key},
};

/// Statuses of a request that was certainly not processed, so that it may be sent again.
pub(crate) const NOT_PROCESSED: [u16; 3] = [401, 425, 429];

/// Journal, ledgers and notes at the end of a seed.
pub(crate) struct Evidence<'a> {
    pub(crate) reports: &'a [TenantReport],
    /// Entry of each action, by its key.
    pub(crate) entries: &'a HashMap<String, Entry>,
    pub(crate) claims: &'a [Note],
    /// Keys that a worker had begun when it was killed, and keys whose request was lost on its way.
    pub(crate) doubtful: &'a HashSet<String>,
    pub(crate) actions: u32,
}

/// Returns the figures, and what is wrong.
pub(crate) fn judge(evidence: &Evidence<'_>) -> (Figures, Vec<String>) {
    let (mut figures, mut findings) = (Figures::default(), Vec::new());
    for (tenant, report) in evidence.reports.iter().enumerate() {
        if report.over_quota > 0 {
            findings.push(format!("over quota: tenant {tenant} had {} calls over its quota", report.over_quota));
        }
        let mut by_number: HashMap<u32, Vec<&Arrival>> = HashMap::new();
        for arrival in &report.arrivals {
            by_number.entry(arrival.number).or_default().push(arrival);
        }
        for number in 0..evidence.actions {
            let key = key(tenant, number);
            let arrivals = by_number.remove(&number).unwrap_or_default();
            if arrivals.iter().any(|arrival| arrival.comment.as_ref().is_some_and(|comment| *comment != key)) {
                findings.push(format!("unasked: another comment than {key}: {arrivals:?}"));
            }
            figures.actions += 1;
            figures.posts += arrivals.len() as u64;
            let processed = arrivals.iter().filter(|arrival| !NOT_PROCESSED.contains(&arrival.status)).count();
            if processed > 1 {
                findings.push(format!("twice: {key}: {arrivals:?}"));
            }
            let created: Vec<&str> = arrivals.iter().filter_map(|arrival| arrival.created.as_deref()).collect();
            let Some(entry) = evidence.entries.get(&key) else {
                findings.push(format!("lost: {key} has no entry: {arrivals:?}"));
                continue;
            };
            figures.finished += u64::from(entry.last.is_some());
            match (&entry.outcome, created.as_slice()) {
                (Some(Settlement::Submitted { action, origin }), [id]) if action.id.as_str() == *id => match origin {
                    Origin::Recovered => figures.recovered += 1,
                    _ => figures.created += 1,
                },
                (Some(Settlement::Submitted { action, origin }), _) => findings.push(format!(
                    "false claim: {key} has the action {} as {origin:?}, and created {created:?}",
                    action.id
                )),
                (Some(Settlement::Unknown { error }), []) if processed == 0 => {
                    figures.unknown_not_sent += 1;
                    if !evidence.doubtful.contains(&key) {
                        findings.push(format!(
                            "unknown: nothing of {key} arrived, though no worker of it was killed and no request lost: {error}"
                        ));
                    }
                }
                (Some(Settlement::Unknown { .. }), []) => figures.unknown_without_effect += 1,
                (Some(Settlement::Refused { .. }), []) => figures.refused += 1,
                (outcome, _) => {
                    findings.push(format!("lost: {key} created {created:?} and has the outcome {outcome:?}"));
                }
            }
        }
        findings.extend(by_number.keys().map(|number| format!("unasked: action {number} of tenant {tenant}")));
    }
    findings.extend(claims(evidence));
    (figures, findings)
}

/// Compares what workers claimed with the journal.
fn claims(evidence: &Evidence<'_>) -> Vec<String> {
    let mut reported: HashMap<&str, &str> = HashMap::new();
    let mut findings = Vec::new();
    for claim in evidence.claims {
        let Note::Claim { key, action, origin } = claim else { continue };
        let kept = evidence.entries.get(key).and_then(|entry| entry.outcome.as_ref());
        let is_kept = matches!(kept, Some(Settlement::Submitted { action: kept, .. }) if kept.id.as_str() == action);
        if !is_kept {
            findings.push(format!("false claim: a worker has {action} for {key}, and the journal {kept:?}"));
        }
        if *origin != Origin::Joined && reported.insert(action, key).is_some_and(|other| other != key) {
            findings.push(format!("false claim: {action} was reported for two keys"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use defender_actions::model::MachineAction;
    use serde_json::json;

    use super::*;

    fn entry(outcome: Option<Settlement>) -> Entry {
        let intent =
            json!({"machine_id": "m", "action_type": "Isolate", "body": {}, "earliest": "2026-01-01T00:00:00Z"});
        Entry::new(serde_json::from_value(intent).unwrap(), outcome, None)
    }

    fn submitted(id: &str) -> Settlement {
        let action: MachineAction = serde_json::from_value(json!({"id": id})).unwrap();
        Settlement::Submitted { origin: Origin::Created, action: Box::new(action) }
    }

    fn arrival(status: u16, created: Option<&str>) -> Arrival {
        Arrival {
            segment: "unrestrictCodeExecution".to_owned(),
            number: 0,
            comment: Some(key(0, 0)),
            status,
            created: created.map(str::to_owned),
            logged: Vec::new(),
        }
    }

    fn findings(arrivals: Vec<Arrival>, outcome: Option<Settlement>, over_quota: u32, claims: &[Note]) -> String {
        findings_of(arrivals, outcome, over_quota, claims, true)
    }

    fn findings_of(
        arrivals: Vec<Arrival>,
        outcome: Option<Settlement>,
        over_quota: u32,
        claims: &[Note],
        is_doubtful: bool,
    ) -> String {
        let entries = HashMap::from([(key(0, 0), entry(outcome))]);
        let reports = [TenantReport { arrivals, over_quota }];
        let doubtful = if is_doubtful { HashSet::from([key(0, 0)]) } else { HashSet::new() };
        let evidence = Evidence { reports: &reports, entries: &entries, claims, doubtful: &doubtful, actions: 1 };
        judge(&evidence).1.join("; ")
    }

    #[test]
    fn clean_seed_has_no_findings() {
        assert_eq!(findings(vec![arrival(429, None), arrival(201, Some("a"))], Some(submitted("a")), 0, &[]), "");
        let unknown = Settlement::Unknown { error: String::new() };
        assert_eq!(findings(vec![], Some(unknown.clone()), 0, &[]), "");
        assert_eq!(findings(vec![arrival(500, None)], Some(unknown), 0, &[]), "");
    }

    #[test]
    fn each_broken_promise_is_found() {
        let unknown = Some(Settlement::Unknown { error: String::new() });
        let claim = Note::Claim { key: key(0, 0), action: "b".to_owned(), origin: Origin::Created };
        for (found, expected) in [
            (findings(vec![arrival(201, Some("a")), arrival(0, None)], Some(submitted("a")), 0, &[]), "twice"),
            (findings_of(vec![], unknown.clone(), 0, &[], false), "unknown"),
            (findings(vec![arrival(201, Some("a"))], unknown, 0, &[]), "lost"),
            (findings(vec![arrival(201, Some("a"))], None, 0, &[]), "lost"),
            (findings(vec![arrival(201, Some("a"))], Some(submitted("b")), 0, &[]), "false claim"),
            (findings(vec![arrival(201, Some("a"))], Some(submitted("a")), 0, &[claim]), "false claim"),
            (findings(vec![arrival(201, Some("a"))], Some(submitted("a")), 1, &[]), "over quota"),
            (findings(vec![Arrival { number: 1, ..arrival(201, Some("a")) }], None, 0, &[]), "lost"),
        ] {
            assert!(found.starts_with(expected), "{expected}: {found}");
        }
    }
}
