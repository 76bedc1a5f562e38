//! Brings together what the journal, the emulator and its log tell, on the emulator's clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use defender_actions::Intent;
use jiff::SignedDuration;

use super::{
    clocks::Clocks,
    journal::{Event, Line},
    service::Known,
};
use crate::{
    arrivals::{Line as Logged, arrivals, dated},
    evidence::{Claim, Evidence, Said, Submission, Writing, since},
    wire::Passage,
};

/// The evidence of a seed.
pub(super) fn evidence(lines: &[Line], known: Known, mut log: Vec<Logged>, writing: Writing) -> Evidence {
    let mut clocks = known.clocks;
    let mut evidence = Evidence { records: known.records, writing, ..Evidence::default() };
    let mut passages: BTreeMap<String, Passage> = BTreeMap::new();
    let mut incarnation = 0;
    for line in lines {
        let time = line.at.parse().unwrap_or(clocks.start);
        // What is said is said at the latest time that it may have been, and what is done at the earliest.
        let (at, told) = (clocks.earliest(time), clocks.latest(time));
        match &line.event {
            Event::Began { incarnation: number } => incarnation = *number,
            Event::Compared { least, most } => {
                let (least, most) = (SignedDuration::from_nanos(*least), SignedDuration::from_nanos(*most));
                clocks = Clocks { least, most, ..clocks };
            }
            Event::Intended { tag, intent, resend_if_lost } => {
                evidence.submissions.push(submission(tag, incarnation, intent, *resend_if_lost, clocks));
            }
            Event::Said { tag, by_intent, said } => {
                let (tag, by_intent, said) = (tag.clone(), *by_intent, said.clone());
                evidence.claims.push(Claim { tag, incarnation, at: told, by_intent, said });
            }
            Event::Departed { id } => {
                let passage = Passage { client: incarnation, departed: at, ..Passage::default() };
                passages.insert(id.clone(), passage);
            }
            Event::Answered { id, .. } => {
                let passage = passages.entry(id.clone()).or_default();
                (passage.delivered, passage.ended) = (true, Some(at));
            }
            Event::GaveUp { id } => {
                let passage =
                    passages.entry(id.clone()).or_insert(Passage { client: incarnation, ..Passage::default() });
                passage.ended = Some(at);
            }
            Event::Late { seconds } => {
                let late = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
                evidence.lateness = evidence.lateness.max(late);
            }
            Event::Broken { .. } | Event::Secret { .. } | Event::Done { .. } => {}
        }
    }
    for line in &mut log {
        line.at = line.time.parse().map(|time| since(clocks.start, time)).unwrap_or_default();
        let Some(id) = &line.client_request_id else { continue };
        // A read is named after its process, and only its giving up is written down.
        if let Some(client) = id.strip_prefix('w').and_then(|id| id.split_once('.')?.0.parse().ok()) {
            let passage = Passage { client, departed: line.at, ..Passage::default() };
            passages.entry(id.clone()).or_insert(passage).client = client;
        }
        if let Some(passage) = passages.get_mut(id) {
            passage.given_up = !passage.delivered && passage.ended.is_some_and(|ended| ended < line.at);
        }
    }
    for submission in &mut evidence.submissions {
        submission.departed = passages.get(&format!("{}.1", submission.tag)).map(|passage| passage.departed);
    }
    // What was begun and never spoken of again.
    let spoken: BTreeSet<String> = evidence.claims.iter().map(|claim| claim.tag.clone()).collect();
    for submission in evidence.submissions.iter().filter(|submission| !spoken.contains(&submission.tag)) {
        let (tag, incarnation) = (submission.tag.clone(), submission.incarnation);
        evidence.claims.push(Claim { tag, incarnation, at: Duration::MAX, by_intent: false, said: Said::Nothing });
    }
    evidence.ledger = dated(known.ledger, &log, &passages);
    evidence.arrivals = arrivals(&log, &passages);
    evidence.arrivals.sort_by_key(|arrival| arrival.at);
    evidence
}

fn submission(tag: &str, incarnation: u32, intent: &Intent, resend_if_lost: bool, clocks: Clocks) -> Submission {
    Submission {
        tag: tag.to_owned(),
        incarnation,
        machine: intent.machine_id.as_str().to_owned(),
        action_type: intent.action_type.clone(),
        body: intent.body.clone(),
        resend_if_lost,
        written: clocks.earliest(intent.earliest),
        latest: clocks.latest(intent.latest()),
        departed: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::{Effect, Origin};

    #[test]
    fn what_each_side_wrote_is_brought_together() {
        let clocks = Clocks {
            start: "2026-01-01T12:00:00Z".parse().unwrap(),
            least: SignedDuration::ZERO,
            most: SignedDuration::ZERO,
        };
        let line = |at: &str, event: serde_json::Value| -> Line {
            let mut line = event;
            line["at"] = json!(format!("2026-01-01T{at}Z"));
            serde_json::from_value(line).unwrap()
        };
        let intent = json!({
            "machine_id": "m1", "action_type": "Isolate", "body": {"Comment": "c"}, "earliest": "2026-01-01T12:00:02Z",
        });
        let said = serde_json::to_value(Said::Submitted { origin: Origin::Recovered, id: "a".to_owned() }).unwrap();
        let intended = |tag: &str| json!({"event": "intended", "tag": tag, "intent": intent, "resend_if_lost": false});
        let lines = [
            line("12:00:01", json!({"event": "began", "incarnation": 0})),
            line("12:00:02", intended("s1")),
            line("12:00:03", json!({"event": "departed", "id": "s1.1"})),
            line("12:00:04", json!({"event": "gaveUp", "id": "w0.1"})),
            line("12:00:05", json!({"event": "began", "incarnation": 1})),
            // The clock of the second process is a second behind, which it knows to half a second.
            line("12:00:05", json!({"event": "compared", "least": -1_500_000_000, "most": -1_000_000_000})),
            line("12:00:06", json!({"event": "said", "tag": "s1", "by_intent": true, "said": said})),
            line("12:00:07", intended("s2")),
        ];
        let entry = json!({
            "path": "/p", "clientRequestId": "s1.1", "body": "{}", "status": 201, "effect": "Created", "actionId": "a",
        });
        let known = Known { clocks, ledger: vec![serde_json::from_value(entry).unwrap()], records: Vec::new() };
        let logged = |at: &str, id: &str, operation: &str, status: Option<u16>| -> Logged {
            let time = format!("2026-01-01T{at}Z");
            let line = json!({"time": time, "client_request_id": id, "operation": operation, "status": status});
            serde_json::from_value(line).unwrap()
        };
        let log = [
            logged("12:00:05", "w0.1", "ListActions", Some(200)),
            logged("12:00:04", "s1.1", "Isolate", Some(201)),
            logged("12:00:06", "w1.1", "GetAction", Some(429)),
            logged("12:00:06", "rival0.1", "ListActions", Some(200)),
        ];
        let evidence = evidence(&lines, known, log.into(), Writing::default());

        let written: Vec<_> = evidence.submissions.iter().map(|submission| submission.written.as_secs()).collect();
        assert_eq!(written, [2, 3], "at the earliest");
        let claim = &evidence.claims[0];
        assert_eq!((claim.incarnation, claim.at, claim.by_intent), (1, Duration::from_millis(7_500), true));
        assert_eq!((evidence.claims[1].tag.as_str(), &evidence.claims[1].said), ("s2", &Said::Nothing));
        let entry = &evidence.ledger[0];
        assert_eq!((entry.effect, entry.status), (Effect::Created, 0), "its answer did not reach the client");
        assert_eq!((entry.at, entry.departed), (Duration::from_secs(4), Some(Duration::from_secs(3))));
        let arrivals: Vec<_> =
            evidence.arrivals.iter().map(|a| (a.incarnation, a.operation.as_str(), a.over_quota, a.given_up)).collect();
        let expected = [(0, "Isolate", false, false), (0, "ListActions", false, true), (1, "GetAction", true, false)];
        assert_eq!(arrivals, expected);
    }
}
