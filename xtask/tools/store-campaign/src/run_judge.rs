//! The judge of runs: compares the reports with what the emulators received.

use std::collections::HashMap;

use defender_fleet::{Report, ReportRow, ReportState, RowOrigin};

use crate::{
    figures::Figures,
    judge::NOT_PROCESSED,
    order::{Arrival, Tenant, TenantReport},
};

/// Path segments of a run and of the run that undoes it.
const SEGMENTS: [&str; 2] = ["isolate", "unisolate"];

/// Returns the figures, and what is wrong. `reports` has the report of the run of each tenant, and of the run that undoes it.
pub(crate) fn judge(tenants: &[Tenant], emulators: &[TenantReport], reports: &[[Report; 2]]) -> (Figures, Vec<String>) {
    let (mut figures, mut findings) = (Figures::default(), Vec::new());
    for ((tenant, emulator), reports) in tenants.iter().zip(emulators).zip(reports) {
        if emulator.over_quota > 0 {
            findings.push(format!("over quota: {} calls of tenant {}", emulator.over_quota, tenant.id));
        }
        for (segment, report) in SEGMENTS.iter().zip(reports) {
            let mut arrivals: HashMap<u32, Vec<&Arrival>> = HashMap::new();
            for arrival in emulator.arrivals.iter().filter(|arrival| arrival.segment == *segment) {
                arrivals.entry(arrival.number).or_default().push(arrival);
            }
            for row in &report.rows {
                let number =
                    tenant.machine_ids.iter().position(|id| row.machine_id.as_ref().is_some_and(|m| m.as_str() == id));
                let number = number.and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX);
                let arrived = arrivals.remove(&number).unwrap_or_default();
                figures.posts += arrived.len() as u64;
                if let Some(finding) = judge_row(&mut figures, row, &arrived) {
                    findings.push(format!("{segment}, machine {number}: {finding}; {arrived:?}; {row:?}"));
                }
            }
            findings.extend(arrivals.keys().map(|number| format!("unasked: {segment} of machine {number}")));
        }
        findings.extend(undone(&reports[0], &reports[1]));
    }
    (figures, findings)
}

fn judge_row(figures: &mut Figures, row: &ReportRow, arrived: &[&Arrival]) -> Option<String> {
    let processed = arrived.iter().filter(|arrival| !NOT_PROCESSED.contains(&arrival.status)).count();
    let created: Vec<&str> = arrived.iter().filter_map(|arrival| arrival.created.as_deref()).collect();
    let action = row.action_id.as_ref().map(defender_actions::model::ActionId::as_str);
    if processed > 1 {
        return Some("twice".to_owned());
    }
    if row.state == ReportState::LeftOut {
        return (!arrived.is_empty()).then(|| "sent, and left out by the plan".to_owned());
    }
    figures.actions += 1;
    match (row.state, created.as_slice()) {
        (ReportState::Succeeded, [id]) if action == Some(*id) => {
            match row.origin {
                Some(RowOrigin::Recovered) => figures.recovered += 1,
                _ => figures.created += 1,
            }
            None
        }
        (ReportState::Failed, []) => {
            figures.refused += 1;
            None
        }
        (ReportState::Unknown, []) => {
            if processed == 0 {
                figures.unknown_not_sent += 1;
            } else {
                figures.unknown_without_effect += 1;
            }
            None
        }
        // The response came to a worker that had lost the row. The report has the action.
        (ReportState::Unknown, [id]) if action == Some(*id) => {
            figures.known_late += 1;
            None
        }
        (ReportState::Planned | ReportState::Sending | ReportState::Submitted, _) => {
            Some(format!("lost: the run has ended, and the row is {:?}", row.state))
        }
        (state, _) => {
            Some(format!("false claim or lost: the row is {state:?} with {action:?}, and created {created:?}"))
        }
    }
}

/// Compares what was undone with what the run did.
fn undone(done: &Report, undone: &Report) -> Vec<String> {
    let is_ours = |row: &&ReportRow| {
        row.state == ReportState::Succeeded && matches!(row.origin, Some(RowOrigin::Created | RowOrigin::Recovered))
    };
    let mut ours: Vec<_> = done.rows.iter().filter(is_ours).filter_map(|row| row.machine_id.clone()).collect();
    let in_plan = undone.rows.iter().filter(|row| row.state != ReportState::LeftOut);
    let mut planned: Vec<_> = in_plan.filter_map(|row| row.machine_id.clone()).collect();
    ours.sort();
    planned.sort();
    if ours == planned {
        Vec::new()
    } else {
        vec![format!("revert: {} machines are ours, and {} undone", ours.len(), planned.len())]
    }
}
