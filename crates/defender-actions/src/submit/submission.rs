//! A submission whose intent is made when it is needed.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use defender_model::{MachineId, read_json};
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    Intent,
    submit::{external_id::with_generated_id, intent::latest},
};

/// Submission, with the facts by which a record is compared with it.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most submissions have the large one, and a box would cost an allocation"
)]
pub(crate) enum Submission {
    /// The caller or a journal has the intent, or the body has a generated id.
    Intent(Arc<Intent>),
    /// The intent is made when an error or the comparison with a like submission needs it. Most submissions need none: of the 94,700
    /// instructions of a call this saves about 1,700 by the profile, and five of its 64 allocations.
    Request(SubmittedRequest),
}

/// Request of a submission without an intent.
#[derive(Debug)]
pub(crate) struct SubmittedRequest {
    machine_id: MachineId,
    action_type: &'static str,
    pub(crate) body: Bytes,
    /// Earliest and latest time of an attempt, on our clock.
    valid: (Timestamp, Timestamp),
    pub(crate) actor: Option<String>,
    pub(crate) ticket: Option<String>,
    marks: OnceLock<Marks>,
    intent: OnceLock<Arc<Intent>>,
}

/// Fields of a body by which its record is recognized.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Marks {
    comment: Option<String>,
    external_id: Option<String>,
}

impl SubmittedRequest {
    /// Creates a request. An attempt may be sent from `earliest` on, for so long.
    pub(crate) fn new(
        machine_id: MachineId,
        action_type: &'static str,
        body: Bytes,
        (earliest, valid_for): (Timestamp, Duration),
    ) -> Self {
        let valid = (earliest, latest(earliest, valid_for));
        let (marks, intent) = (OnceLock::new(), OnceLock::new());
        Self { machine_id, action_type, body, valid, actor: None, ticket: None, marks, intent }
    }

    fn marks(&self) -> &Marks {
        let of_intent = || {
            let text = |text: Option<&str>| text.map(str::to_owned);
            Marks { comment: text(self.intent().comment()), external_id: text(self.intent().external_id()) }
        };
        // A field may have a value that is not text.
        self.marks.get_or_init(|| read_json(&self.body).unwrap_or_else(|_| of_intent()))
    }

    fn intent(&self) -> &Arc<Intent> {
        self.intent.get_or_init(|| {
            // An action wrote the body as JSON.
            let body = read_json(&self.body).unwrap_or_default();
            let mut intent = Intent::until(self.machine_id.clone(), self.action_type, body, false, self.valid);
            (intent.actor, intent.ticket) = (self.actor.clone(), self.ticket.clone());
            Arc::new(intent)
        })
    }
}

impl Submission {
    /// Returns the submission of an intent, and the body with its generated id, if it has one.
    pub(crate) fn of_intent(body: Vec<u8>, intent: Intent) -> (Self, Bytes) {
        let body = with_generated_id(body, &intent).into();
        (Self::Intent(Arc::new(intent)), body)
    }

    pub(crate) fn machine_id(&self) -> &MachineId {
        match self {
            Self::Intent(intent) => &intent.machine_id,
            Self::Request(request) => &request.machine_id,
        }
    }

    /// Returns the type of the action, as the service names it.
    pub(crate) fn action_type(&self) -> &str {
        match self {
            Self::Intent(intent) => &intent.action_type,
            Self::Request(request) => request.action_type,
        }
    }

    /// Returns the latest time of an attempt, on our clock.
    pub(crate) fn latest(&self) -> Timestamp {
        match self {
            Self::Intent(intent) => intent.latest(),
            Self::Request(request) => request.valid.1,
        }
    }

    pub(crate) fn comment(&self) -> Option<&str> {
        match self {
            Self::Intent(intent) => intent.comment(),
            Self::Request(request) => only_comment(&request.body).or_else(|| request.marks().comment.as_deref()),
        }
    }

    pub(crate) fn external_id(&self) -> Option<&str> {
        match self {
            Self::Intent(intent) => intent.external_id(),
            Self::Request(request) if only_comment(&request.body).is_some() => None,
            Self::Request(request) => request.marks().external_id.as_deref(),
        }
    }

    /// Returns whether the client generated the external id.
    pub(crate) fn has_generated_id(&self) -> bool {
        matches!(self, Self::Intent(intent) if intent.has_generated_id())
    }

    pub(crate) fn intent(&self) -> &Arc<Intent> {
        match self {
            Self::Intent(intent) => intent,
            Self::Request(request) => request.intent(),
        }
    }

    /// Returns the name of the submission in errors.
    pub(crate) fn context(&self) -> String {
        format!("{} of machine {}", self.action_type(), self.machine_id())
    }

    /// Returns whether the submission is for this machine and type, in any letter case.
    pub(crate) fn is_for(&self, machine_id: &MachineId, action_type: &str) -> bool {
        self.machine_id().as_str().eq_ignore_ascii_case(machine_id.as_str())
            && self.action_type().eq_ignore_ascii_case(action_type)
    }

    /// Returns the hash of the machine, in lower case.
    pub(crate) fn machine_hash(&self, key: &RandomState) -> u64 {
        let mut hasher = key.build_hasher();
        for chunk in self.machine_id().as_str().as_bytes().chunks(64) {
            let mut lower = [0; 64];
            lower.iter_mut().zip(chunk).for_each(|(to, from)| *to = from.to_ascii_lowercase());
            hasher.write(&lower);
        }
        hasher.finish()
    }
}

/// Returns the comment of a body that has nothing else and no escape. Of the 92,000 instructions of a call this saves 600 by the
/// profile.
fn only_comment(body: &[u8]) -> Option<&str> {
    let comment = body.strip_prefix(br#"{"Comment":""#)?.strip_suffix(br#""}"#)?;
    // A fold that does not end early lets the compiler check many bytes at once.
    let is_escape = |byte: &u8| matches!(byte, b'"' | b'\\');
    let has_escape = comment.iter().fold(false, |any, byte| any | is_escape(byte));
    str::from_utf8(comment).ok().filter(|_| !has_escape)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn submission(body: &Value) -> (Submission, Intent) {
        let valid = (Timestamp::UNIX_EPOCH, Duration::from_secs(300));
        let machine_id: MachineId = "m1".parse().unwrap();
        let mut intent = Intent::new(machine_id.clone(), "Isolate", body.clone(), false, valid);
        let mut request = SubmittedRequest::new(machine_id, "Isolate", body.to_string().into(), valid);
        (intent.actor, intent.ticket) = (Some("ann".to_owned()), Some("INC-1".to_owned()));
        (request.actor, request.ticket) = (intent.actor.clone(), intent.ticket.clone());
        (Submission::Request(request), intent)
    }

    #[test]
    fn intent_is_made_when_needed() {
        let bodies = [
            json!({"Comment": "c \"quoted\"\n", "IsolationType": "Full", "ExternalId": "t"}),
            json!({"Comment": "c"}),
            json!({"Comment": "back\\slash"}),
            json!({"Comment": "c", "Commands": [{"type": "RunScript"}]}),
            json!({"Comment": 7, "ExternalId": null}),
            json!({}),
            json!([1]),
        ];
        for body in bodies {
            let (lazy, intent) = submission(&body);
            assert_eq!((lazy.comment(), lazy.external_id()), (intent.comment(), intent.external_id()), "{body}");
            assert_eq!((lazy.latest(), lazy.context()), (intent.latest(), intent.context()));
            assert_eq!(**lazy.intent(), intent);
        }
    }

    #[test]
    fn usual_submission_makes_no_intent() {
        let (lazy, intent) = submission(&json!({"Comment": "c"}));
        assert_eq!(lazy.comment(), intent.comment());
        let key = RandomState::new();
        assert_eq!(lazy.machine_hash(&key), Submission::Intent(Arc::new(intent)).machine_hash(&key));
        assert!(matches!(lazy, Submission::Request(request) if request.intent.get().is_none()));
    }
}
