//! Quota passed?

use std::{collections::BTreeMap, time::Duration};

use super::case::Finding;
use crate::{
    evidence::{Arrival, Evidence},
    figures::Count,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Quota of an operation, as promised, under the emulator's name.
fn limits(operation: &str) -> &'static [(usize, Duration)] {
    match operation {
        "Token" | "DownloadBlob" => &[],
        "RunLiveResponse" => &[(10, MINUTE)],
        "GetPackageUri" => &[(2, MINUTE), (120, HOUR)],
        _ => &[(100, MINUTE), (1_500, HOUR)],
    }
}

/// No client lets more calls of an operation arrive in any stretch of a window's length than it may hold; and one that is alone
/// with the quota from the start is never told that it is used up.
pub(super) fn judge(evidence: &Evidence) -> Vec<Finding> {
    let mut lanes: BTreeMap<(u32, &str), Vec<Duration>> = BTreeMap::new();
    for arrival in evidence.arrivals.iter().filter(|arrival| !arrival.given_up) {
        lanes.entry((arrival.incarnation, &arrival.operation)).or_default().push(arrival.at);
    }
    let mut findings = Vec::new();
    let mut found = |words| findings.push(Finding { count: Count::QuotaPassed, tag: None, words });
    for ((incarnation, operation), times) in &lanes {
        for (most, per) in limits(operation) {
            let stretch = |times: &&[Duration]| match times {
                [first, .., last] => last.saturating_sub(*first) < *per,
                _ => false,
            };
            if let Some([first, ..]) = times.windows(most.saturating_add(1)).find(stretch) {
                found(format!(
                    "more than {most} calls of {operation} from client {incarnation} arrived in {per:?}, from {first:?} on"
                ));
            }
        }
    }
    if evidence.alone {
        findings.extend(over_though_alone(&evidence.arrivals));
    }
    findings
}

/// Those of these calls that were over the quota, of a client that had nobody beside it and nobody before it. One after a call that
/// arrived when the client had given it up is no finding: the emulator counts that one too, and the client cannot.
pub(crate) fn over_though_alone<'a>(arrivals: impl IntoIterator<Item = &'a Arrival>) -> Vec<Finding> {
    let mut last_given_up: BTreeMap<&str, Duration> = BTreeMap::new();
    let mut findings = Vec::new();
    for Arrival { operation, at, over_quota, given_up, .. } in arrivals {
        let excused = last_given_up.get(&**operation).is_some_and(|late| at.saturating_sub(*late) < HOUR);
        if *given_up {
            last_given_up.insert(operation, *at);
        } else if *over_quota && !excused {
            let words = format!("the client is alone, and its {operation} at {at:?} was over the quota");
            findings.push(Finding { count: Count::QuotaPassed, tag: None, words });
        }
    }
    findings
}

/// The most calls of one operation from one client in any hour: whether a run came as far as the hourly window.
pub(crate) fn busiest_hour(evidence: &Evidence) -> usize {
    let mut lanes: BTreeMap<(u32, &str), Vec<Duration>> = BTreeMap::new();
    for arrival in &evidence.arrivals {
        lanes.entry((arrival.incarnation, &arrival.operation)).or_default().push(arrival.at);
    }
    let busiest = |times: &Vec<Duration>| {
        let mut first = 0;
        let mut most = 0;
        for (last, at) in times.iter().enumerate() {
            while times.get(first).is_some_and(|from| at.saturating_sub(*from) >= HOUR) {
                first += 1;
            }
            most = most.max(last + 1 - first);
        }
        most
    };
    lanes.values().map(busiest).max().unwrap_or(0)
}
