//! The hint of a run that has waited for long, most often for machines that are off.

use std::{sync::Arc, time::Duration};

use defender_actions::{
    model::{MachineId, sanitize_line},
    transport::Clock,
};
use defender_fleet::{FleetAction, Report, ReportState, Run};

use crate::{output::talk::counted, session::Session};

/// Time without an event of the run after which the hint is given.
const LONG: Duration = Duration::from_secs(3_600);
/// Most machines that the hint names.
const NAMED: usize = 3;
/// Longest name of a machine, in characters.
const SHOWN: usize = 60;

/// Time since the last event of a run.
#[derive(Debug)]
pub(super) struct LongWait {
    clock: Arc<dyn Clock>,
    /// Time of the hint. `None` once it was given.
    at: Option<Duration>,
}

impl LongWait {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let mut wait = Self { clock, at: None };
        wait.begin_anew();
        wait
    }

    /// Begins the wait anew: something has happened.
    pub(super) fn begin_anew(&mut self) {
        self.at = Some(self.clock.elapsed().saturating_add(LONG));
    }

    /// Completes once the wait is long, and only once until it begins anew.
    pub(super) async fn is_long(&mut self) {
        match self.at {
            Some(at) => self.clock.sleep_until(at).await,
            None => std::future::pending().await,
        }
        self.at = None;
    }
}

/// Returns the hint, if the run waits for machines.
pub(super) async fn hint(session: &Session, run: &Run) -> Option<String> {
    // The hint is no reason to end a run whose store fails for a moment.
    let report = run.report().await.ok()?;
    let waiting = names(&report);
    let shown = waiting.iter().take(NAMED).map(|name| sanitize_line(name, SHOWN)).collect::<Vec<_>>().join(", ");
    let more = match waiting.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let longest = match run.approved().plan.action {
        FleetAction::LiveResponse(_) => "two hours",
        _ => "three days",
    };
    let subject = match waiting.len() {
        0 => return None,
        1 => "1 machine has".to_owned(),
        number => format!("{} have", counted(number, "machine")),
    };
    Some(format!(
        "Nothing has changed for an hour: {subject} not ended {}: {shown}{more}. A machine that is off is a usual cause: the service ends its \
         action after about {longest}, and the run waits until then. To leave, press Ctrl-C twice, which halts the run; {} shows it, and \
         {} goes on.",
        report.action,
        session.command(&format!("report {}", run.id())),
        session.command(&format!("resume {}", run.id())),
    ))
}

/// Returns the machines whose action may have been sent and has not ended.
fn names(report: &Report) -> Vec<&str> {
    let sent = [ReportState::Submitted, ReportState::Sending].into_iter().flat_map(|state| report.in_state(state));
    sent.filter_map(|row| row.machine.as_deref().or_else(|| row.machine_id.as_ref().map(MachineId::as_str))).collect()
}
