//! A submission as plain data.

use std::time::Duration;

use defender_model::MachineId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use crate::submit::intent_body;

/// Submission as plain data, to be stored before anything is sent.
///
/// [`DefenderClient::recover`](crate::DefenderClient::recover) finds the outcome of the action by its intent, after a crash or after
/// the future was dropped between request and response.
///
/// The intent has the comment and the rest of the body, and no secret of the client. The body is a part of it: parameters of a live response
/// script may be secret. In a journal it can be [a hash](crate::JournalBody::Hash).
///
/// ```no_run
/// use defender_actions::{DefenderClient, Intent};
///
/// # async fn example(defender: DefenderClient) -> Result<(), Box<dyn std::error::Error>> {
/// let release = defender.machine("1e5bc9d7e413ddd7902c2932e418702b84d0cc07".parse()?).unisolate("False positive");
/// std::fs::write("intent.json", serde_json::to_vec(&release.intent()?)?)?; // before anything is sent
/// let submitted = release.await?;
///
/// // In another process, after a crash in between:
/// let intent: Intent = serde_json::from_slice(&std::fs::read("intent.json")?)?;
/// println!("{} of {}, {:?}", intent.action_type, intent.machine_id, intent.comment());
/// let submitted = defender.recover(intent).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Intent {
    /// Machine of the action.
    pub machine_id: MachineId,
    /// Type of the action, as the service names it.
    pub action_type: String,
    /// Body of the request.
    pub body: Value,
    /// Earliest time of an attempt, on our clock.
    pub earliest: Timestamp,
    /// Latest time of an attempt, on our clock. An intent that was stored without it counts as valid for five minutes, the
    /// default timeout of a call.
    #[serde(default)]
    latest: Option<Timestamp>,
    /// The client generated the external id in the body, so that it is unique.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    has_generated_id: bool,
    /// Base URL of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// Id of the tenant, in lower case, if the client knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Person or program that requested the action, if the caller names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Ticket of the change, if the caller names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Version of the serialized form. An intent without a version has version 1.
    #[serde(default = "first_version", deserialize_with = "known_version")]
    version: u32,
}

fn first_version() -> u32 {
    1
}

/// Refuses the form of a newer program: a field that this program does not know may change the meaning of the others.
fn known_version<'de, D: Deserializer<'de>>(input: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(input)?;
    let newest = Intent::VERSION;
    if version <= newest {
        return Ok(version);
    }
    Err(D::Error::custom(format_args!(
        "the intent has version {version}, and this program reads intents up to version {newest}; update the program"
    )))
}

/// Returns the end of a validity that begins at `earliest`.
pub(crate) fn latest(earliest: Timestamp, valid_for: Duration) -> Timestamp {
    let valid_for = SignedDuration::try_from(valid_for).unwrap_or(SignedDuration::MAX);
    earliest.saturating_add(valid_for).unwrap_or(Timestamp::MAX)
}

/// Validity of an intent that was stored without an end.
const DEFAULT_VALIDITY: SignedDuration = SignedDuration::from_mins(5);

impl Intent {
    /// Newest version of the serialized form that this program reads and writes. Version 2 added `api`, `tenant_id`, `actor` and `ticket`.
    pub const VERSION: u32 = 2;

    pub(crate) fn new(
        machine_id: MachineId,
        action_type: &str,
        body: Value,
        has_generated_id: bool,
        (earliest, valid_for): (Timestamp, Duration),
    ) -> Self {
        Self::until(machine_id, action_type, body, has_generated_id, (earliest, latest(earliest, valid_for)))
    }

    /// Creates an intent that is valid from the first time until the second.
    pub(crate) fn until(
        machine_id: MachineId,
        action_type: &str,
        body: Value,
        has_generated_id: bool,
        (earliest, latest): (Timestamp, Timestamp),
    ) -> Self {
        let (action_type, latest, version) = (action_type.to_owned(), Some(latest), Self::VERSION);
        let (api, tenant_id, actor, ticket) = (None, None, None, None);
        Self {
            machine_id,
            action_type,
            body,
            earliest,
            latest,
            has_generated_id,
            api,
            tenant_id,
            actor,
            ticket,
            version,
        }
    }

    /// Latest time of an attempt, on our clock. Default: five minutes after [`earliest`](Self::earliest).
    /// [`valid_for`](crate::ActionRequest::valid_for) and the timeout of the call change it.
    #[must_use]
    pub fn latest(&self) -> Timestamp {
        self.latest.unwrap_or_else(|| self.earliest.saturating_add(DEFAULT_VALIDITY).unwrap_or(Timestamp::MAX))
    }

    /// Version of the serialized form.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Returns the comment of the request.
    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        self.body.get("Comment").and_then(Value::as_str)
    }

    /// Returns the external id of the request, if it has one.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        self.body.get("ExternalId").and_then(Value::as_str)
    }

    /// Returns the name of the submission in errors.
    pub(crate) fn context(&self) -> String {
        format!("{} of machine {}", self.action_type, self.machine_id)
    }

    /// Returns whether the client generated the external id, so that a record with this id is certainly the action.
    #[must_use]
    pub fn has_generated_id(&self) -> bool {
        self.has_generated_id
    }

    /// Returns whether `other`, for the same machine and type and with the same comment, has other particulars.
    pub(crate) fn differs_in_particulars(&self, other: &Self) -> bool {
        intent_body::differ(&self.body, &other.body)
    }

    /// Returns the intent with a hash in place of the particulars of its body.
    pub(crate) fn with_hashed_body(&self) -> Self {
        Self { body: intent_body::hashed(&self.body), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn intent(action_type: &str, body: Value) -> Intent {
        let valid = (Timestamp::UNIX_EPOCH, Duration::from_secs(300));
        Intent::new("m1".parse().unwrap(), action_type, body, false, valid)
    }

    #[test]
    fn intent_survives_json_round_trip() {
        let mut intent = intent("Isolate", json!({"Comment": "c", "IsolationType": "Full", "ExternalId": "t"}));
        for generated in [false, true] {
            intent.has_generated_id = generated;
            let read: Intent = serde_json::from_str(&serde_json::to_string(&intent).unwrap()).unwrap();
            assert_eq!(read, intent);
            assert_eq!((read.comment(), read.external_id()), (Some("c"), Some("t")));
        }
    }

    #[test]
    fn older_intent_expires_after_five_minutes() {
        let older = r#"{"machine_id":"m1","action_type":"Isolate","body":{},"earliest":"2026-01-01T00:00:00Z"}"#;
        let read: Intent = serde_json::from_str(older).unwrap();
        assert_eq!(read.latest().to_string(), "2026-01-01T00:05:00Z");
        assert!(!read.has_generated_id());
    }

    #[test]
    fn newer_intent_is_refused() {
        let mut form = serde_json::to_value(intent("Isolate", json!({"Comment": "c"}))).unwrap();
        assert_eq!(form["version"], 2);
        form["version"] = json!(3);
        let error = serde_json::from_value::<Intent>(form).unwrap_err().to_string();
        assert!(error.contains("version 3") && error.contains("update the program"), "{error}");
    }

    #[test]
    fn particulars_differ_without_comment_and_id() {
        let of =
            |kind: &str, id: &str| intent("Isolate", json!({"Comment": id, "IsolationType": kind, "ExternalId": id}));
        assert!(of("Full", "a").differs_in_particulars(&of("Selective", "a")));
        assert!(!of("Full", "a").differs_in_particulars(&of("Full", "b")));
    }
}
