//! Evidence of a run: the driver's requests, the client's statements about them, and the emulator's records.
//!
//! Of the client's words none is believed. Times are those of the emulator's clock, since its start.

use std::time::Duration;

use defender_actions::{Error, ErrorKind, Submitted};
use defender_emulator::{DateHeader, Particulars, Rows};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Beginning of the external ids that the drivers set.
pub(crate) const OWN_ID: &str = "ticket-";

/// One request for an action. It keeps its tag when its future is dropped, its process killed, and its intent recovered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Submission {
    /// The part of `client-request-id` before the last dot, in each of its POSTs.
    pub(crate) tag: String,
    /// Of which client it is, among all that there were: one that begins again is another.
    pub(crate) incarnation: u32,
    pub(crate) machine: String,
    /// The service's word for it.
    pub(crate) action_type: String,
    /// Body of the request.
    pub(crate) body: Value,
    pub(crate) resend_if_lost: bool,
    /// Time at which it was written down, before anything was sent.
    pub(crate) written: Duration,
    /// No attempt is sent after this.
    pub(crate) latest: Duration,
    /// Departure of its first attempt, if any left.
    #[serde(default)]
    pub(crate) departed: Option<Duration>,
}

/// The client's relation to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Origin {
    Created,
    Joined,
    Recovered,
}

/// Statement of the client about a submission, or about a cancellation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Said {
    /// There is an action.
    Submitted { origin: Origin, id: String },
    /// A wait ended well: that of a submission, which knows what was asked for, or one by a bare id.
    Succeeded { id: String, of_submission: bool },
    /// A wait ended with an action that did not succeed.
    Ended { id: String, status: String },
    /// A cancellation succeeded.
    Cancelled { id: String },
    /// The call failed.
    Error(Trouble),
    /// Its future was dropped, or its process killed, and nothing has been said since.
    Nothing,
}

/// Statement of an error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) kind: String,
    pub(crate) never_sent: bool,
    /// It says that it is not known whether the action was taken, or that it was and its id is not known.
    pub(crate) unknown: bool,
    /// Reason for which the outcome is unknown, in the client's word.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) candidates: Vec<String>,
    /// It has a row that cannot be read.
    #[serde(default)]
    pub(crate) has_row: bool,
}

/// A statement with its time and its client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) tag: String,
    pub(crate) incarnation: u32,
    pub(crate) at: Duration,
    /// It was looked for by its intent alone, so that no attempt dates it.
    pub(crate) by_intent: bool,
    pub(crate) said: Said,
}

/// Effect of a POST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Effect {
    #[default]
    None,
    Created,
    /// The response had an action that existed before.
    Joined,
    Cancelled,
    Changed,
}

/// One POST that the emulator received: as its ledger tells it, and as `GET /emulator/ledger` writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LedgerEntry {
    pub(crate) path: String,
    pub(crate) client_request_id: Option<String>,
    pub(crate) body: String,
    /// 0 if there was no response, or if the driver knows that none reached the client.
    pub(crate) status: u16,
    pub(crate) effect: Effect,
    pub(crate) action_id: Option<String>,
    /// Time at which it was received.
    #[serde(skip)]
    pub(crate) at: Duration,
    /// Time at which the client sent it, if that was long before.
    #[serde(skip)]
    pub(crate) departed: Option<Duration>,
    /// Time at which the attempt ended for the client: with the head of a response, or given up.
    #[serde(skip)]
    pub(crate) ended: Option<Duration>,
    /// Fault that it met, in the emulator's words.
    #[serde(skip)]
    pub(crate) fault: Option<String>,
}

impl LedgerEntry {
    /// Of which submission it is.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.client_request_id.as_deref()?.rsplit_once('.').map(|(tag, _)| tag)
    }

    /// The action that it made.
    pub(crate) fn created(&self) -> Option<&str> {
        self.action_id.as_deref().filter(|_| self.effect == Effect::Created)
    }

    pub(crate) fn departed(&self) -> Duration {
        self.departed.unwrap_or(self.at)
    }
}

/// An action as the emulator has it at the end, when every row can be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) machine: String,
    pub(crate) action_type: String,
    pub(crate) status: String,
    /// Time at which it came into that state.
    pub(crate) updated: Duration,
    /// Attributes that it shows, which need not be those that were sent.
    pub(crate) comment: Option<String>,
    pub(crate) external_id: Option<String>,
    /// It states its scope or file.
    pub(crate) states: bool,
}

/// The service's way of writing, by which the judge determines what a client can know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writing {
    /// For how long a new action is hidden from every read.
    pub(crate) read_lag: Duration,
    /// Error of the service's clock as `Date` tells it, or of the client's own where it does not, beside the skew that the
    /// rules allow where it does.
    pub(crate) clock_error: Duration,
    /// Records state their particulars in the response to the POST already.
    pub(crate) states_at_once: bool,
    /// A record that ever states its particulars does so when it has ended and is this old.
    pub(crate) states_after: Duration,
    /// No row states its creation and a type that is known, so that only a generated id says whose it is.
    pub(crate) hides_rows: bool,
}

impl Writing {
    /// The way of writing of a service with these options, for clients whose clock is so many seconds ahead.
    pub(crate) fn of(read_lag: Duration, particulars: Particulars, rows: Rows, date: DateHeader, ahead: i64) -> Self {
        Self {
            read_lag,
            clock_error: match date {
                DateHeader::Clock => Duration::ZERO,
                DateHeader::Ahead(time) | DateHeader::Behind(time) => time,
                // Where no `Date` tells the service's clock, the rules allow a quarter of an hour of the client's own.
                _ => Duration::from_secs(15 * 60 + ahead.unsigned_abs()),
            },
            states_at_once: particulars == Particulars::AtOnce,
            states_after: match particulars {
                Particulars::After(time) => time,
                Particulars::Seeded(_) => Duration::from_secs(120),
                _ => Duration::ZERO,
            },
            hides_rows: matches!(rows, Rows::NullCreation | Rows::UnknownType | Rows::Unreadable),
        }
    }
}

/// A call that reached the emulator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arrival {
    pub(crate) incarnation: u32,
    /// In the emulator's words.
    pub(crate) operation: String,
    pub(crate) at: Duration,
    /// The emulator refused it for the quota, and not because it was told to.
    pub(crate) over_quota: bool,
    /// The client had given the attempt up before the network let it arrive: the one case in which it cannot count it rightly, as
    /// the documentation says.
    pub(crate) given_up: bool,
}

/// All of it, of one tenant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) submissions: Vec<Submission>,
    /// In the order in which they were said.
    pub(crate) claims: Vec<Claim>,
    pub(crate) ledger: Vec<LedgerEntry>,
    pub(crate) records: Vec<Record>,
    /// In the order in which they came.
    pub(crate) arrivals: Vec<Arrival>,
    /// The longest time that a response was on its way: the client knows the service's clock from the dates of
    /// responses, and no better.
    pub(crate) lateness: Duration,
    pub(crate) writing: Writing,
    /// One client was alone with the quota from the start to the end.
    pub(crate) alone: bool,
}

impl Record {
    /// Reads a row of the emulator's list, in either spelling of its time. The emulator's times are counted from `start` on.
    pub(crate) fn read(row: &Value, start: Timestamp) -> Option<Self> {
        let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
        let updated = text("lastUpdateDateTimeUtc").or_else(|| text("lastUpdateTimeUtc"))?;
        Some(Self {
            id: text("id")?,
            machine: text("machineId")?,
            action_type: text("type")?,
            status: text("status")?,
            updated: since(start, updated.parse().ok()?),
            comment: text("requestorComment"),
            external_id: text("externalId").or_else(|| text("externalID")),
            states: ["scope", "relatedFileInfo"]
                .iter()
                .any(|name| row.get(*name).is_some_and(|value| !value.is_null())),
        })
    }
}

/// Time since `start`, on the emulator's clock.
pub(crate) fn since(start: Timestamp, time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(start)).unwrap_or_default()
}

impl Submission {
    pub(crate) fn comment(&self) -> &str {
        self.body.get("Comment").and_then(Value::as_str).unwrap_or_default().trim()
    }

    pub(crate) fn external_id(&self) -> Option<&str> {
        self.body.get("ExternalId").and_then(Value::as_str)
    }

    /// The external id that the client generated.
    pub(crate) fn generated_id(&self) -> Option<&str> {
        self.external_id().filter(|id| !id.starts_with(OWN_ID))
    }
}

/// Particulars of a request: the body without its comment and ids.
pub(crate) fn particulars(body: &Value) -> Value {
    let mut rest = body.clone();
    if let Some(rest) = rest.as_object_mut() {
        rest.retain(|name, _| name != "Comment" && name != "ExternalId");
    }
    rest
}

impl From<defender_actions::Origin> for Origin {
    fn from(origin: defender_actions::Origin) -> Self {
        match origin {
            defender_actions::Origin::Joined => Self::Joined,
            defender_actions::Origin::Recovered => Self::Recovered,
            _ => Self::Created,
        }
    }
}

impl From<&Submitted> for Said {
    fn from(submitted: &Submitted) -> Self {
        Self::Submitted { origin: submitted.origin().into(), id: submitted.id().as_str().to_owned() }
    }
}

impl From<&Error> for Said {
    fn from(error: &Error) -> Self {
        Self::Error(Trouble {
            kind: format!("{:?}", error.kind()),
            never_sent: error.never_sent(),
            unknown: error.is_outcome_unknown() || error.kind() == ErrorKind::InvalidResponse,
            reason: error.reason().map(|reason| format!("{reason:?}")),
            action: error.action_id().map(|id| id.as_str().to_owned()),
            candidates: error.candidates().iter().map(|action| action.id.as_str().to_owned()).collect(),
            has_row: error.row().is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ledger_of_emulator_is_read() {
        let entry: LedgerEntry = serde_json::from_value(json!({
            "method": "POST", "path": "/api/machines/m/isolate", "authorizationPresent": true, "contentType": null,
            "userAgent": null, "clientRequestId": "s4.2", "body": "{}", "status": 201, "effect": "Created", "actionId": "a",
        }))
        .unwrap();
        assert_eq!((entry.tag(), entry.created(), entry.status), (Some("s4"), Some("a"), 201));
        let joined = LedgerEntry { effect: Effect::Joined, ..entry };
        assert_eq!(joined.created(), None);
    }

    #[test]
    fn record_has_either_time_spelling() {
        let start: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        for name in ["lastUpdateDateTimeUtc", "lastUpdateTimeUtc"] {
            let row = json!({"id": "a", "machineId": "m", "type": "Isolate", "status": "Succeeded", name: "2026-01-01T12:01:00Z"});
            let record = Record::read(&row, start).unwrap();
            assert_eq!((record.updated.as_secs(), record.status.as_str()), (60, "Succeeded"));
        }
        assert_eq!(Record::read(&json!({}), start), None);
    }

    #[test]
    fn who_asks_and_why_is_no_particular() {
        let body = json!({"Comment": "c", "ExternalId": "e", "IsolationType": "Full"});
        assert_eq!(particulars(&body), json!({"IsolationType": "Full"}));
    }
}
