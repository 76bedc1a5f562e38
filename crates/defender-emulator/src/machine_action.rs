//! A machine action: how it moves by the clock, and how it looks.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::action_kind::ActionKind;

/// How long an action stays in its two passing states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) pending_for: Duration,
    pub(crate) running_for: Duration,
}

/// One action of one machine.
#[derive(Clone, Debug)]
pub(crate) struct MachineAction {
    pub(crate) id: String,
    pub(crate) kind: &'static ActionKind,
    pub(crate) requestor: String,
    pub(crate) comment: String,
    pub(crate) external_id: Option<String>,
    pub(crate) machine_id: &'static str,
    pub(crate) computer_dns_name: &'static str,
    /// When it was made, on the wall.
    pub(crate) created: Timestamp,
    /// When it was made, on the clock's own time, by which it moves.
    pub(crate) born: Duration,
}

/// Who looks. Straight after the POST the service does not know the machine's name yet, as captures show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    JustCreated,
    Later,
}

impl MachineAction {
    /// The state at `elapsed`, and how long after its making the action came into it.
    fn state(&self, pace: Pace, elapsed: Duration) -> (&'static str, Duration) {
        let age = elapsed.saturating_sub(self.born);
        let done = pace.pending_for.saturating_add(pace.running_for);
        if age < pace.pending_for {
            ("Pending", Duration::ZERO)
        } else if age < done {
            ("InProgress", pace.pending_for)
        } else {
            ("Succeeded", done)
        }
    }

    /// Whether another action of the same type is refused because of this one.
    pub(crate) fn is_active(&self, pace: Pace, elapsed: Duration) -> bool {
        self.state(pace, elapsed).0 != "Succeeded"
    }

    /// The twenty fields of live captures, which the table in
    /// <https://learn.microsoft.com/defender-endpoint/api/machineaction> has but for `errorHResult` and
    /// `troubleshootInfo`; and the context, with `base_url` in the place of the service's own.
    pub(crate) fn to_json(&self, base_url: &str, pace: Pace, elapsed: Duration, view: View) -> Value {
        let (status, since) = self.state(pace, elapsed);
        let updated = self.created.checked_add(since).unwrap_or(Timestamp::MAX);
        json!({
            "@odata.context": format!("{base_url}/api/$metadata#MachineActions/$entity"),
            "id": self.id,
            "type": self.kind.word,
            "title": null,
            "requestor": self.requestor,
            "requestorComment": self.comment,
            "status": status,
            "machineId": self.machine_id,
            "computerDnsName": (view == View::Later).then_some(self.computer_dns_name),
            "creationDateTimeUtc": ticks(self.created),
            "lastUpdateDateTimeUtc": ticks(updated),
            "cancellationRequestor": null,
            "cancellationComment": null,
            "cancellationDateTimeUtc": null,
            "errorHResult": 0,
            "scope": null,
            "externalId": self.external_id,
            "requestSource": "PublicApi",
            "relatedFileInfo": null,
            "commands": [],
            "troubleshootInfo": null,
        })
    }
}

/// A date as the service writes most of them: UTC, to 100 ns.
fn ticks(time: Timestamp) -> String {
    format!("{time:.7}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_seven_digits_and_a_z() {
        assert_eq!(ticks(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.0000000Z");
        assert_eq!(ticks("2026-01-01T12:00:00.123456789Z".parse().unwrap()), "2026-01-01T12:00:00.1234567Z");
    }
}
