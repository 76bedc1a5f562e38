//! What was meant to be done, written down.

use defender_model::{
    Action, CollectInvestigationPackage, Isolate, LiveResponse, MachineAction, MachineId, Offboard,
    RestrictCodeExecution, RunAntiVirusScan, StopAndQuarantineFile, Unisolate, UnrestrictCodeExecution,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What was meant to be done, as plain data to write down before anything is sent.
///
/// Whoever has it can find out what became of the action, also after a crash, or after the future was dropped between
/// sending and answer: see [`DefenderClient::recover`](crate::DefenderClient::recover).
///
/// It holds the comment and whatever else is sent, and no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Intent {
    /// The machine.
    pub machine_id: MachineId,
    /// The service's word for the action.
    pub action_type: String,
    /// What is sent.
    pub body: Value,
    /// No action of this intent is older than this, on our clock.
    pub earliest: Timestamp,
}

impl Intent {
    pub(crate) fn new<A: Action>(machine_id: &MachineId, body: &[u8], earliest: Timestamp) -> serde_json::Result<Self> {
        Ok(Self {
            machine_id: machine_id.clone(),
            action_type: A::TYPE.to_owned(),
            body: serde_json::from_slice(body)?,
            earliest,
        })
    }

    /// The comment that is sent.
    #[must_use]
    pub fn comment(&self) -> Option<&str> {
        self.body.get("Comment").and_then(Value::as_str)
    }

    /// The external id that is sent, if one was set.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        self.body.get("ExternalId").and_then(Value::as_str)
    }

    /// Whether `existing` is of the machine and type that were meant. A record that says neither is taken to be: whoever asks
    /// has listed by both.
    pub(crate) fn is_of_kind(&self, existing: &MachineAction) -> bool {
        let machine = existing.machine_id.as_ref().map(MachineId::as_str);
        machine.is_none_or(|machine| machine.eq_ignore_ascii_case(self.machine_id.as_str()))
            && (existing.action_type.as_str().is_empty()
                || existing.action_type.as_str().eq_ignore_ascii_case(&self.action_type))
    }

    /// Whether `existing` has the comment that was sent. The service is seen to echo comments with blanks around them.
    pub(crate) fn has_comment_of(&self, existing: &MachineAction) -> bool {
        existing.requestor_comment.as_deref().map(str::trim) == self.comment().map(str::trim)
    }

    /// Whether `existing` has the external id that was sent, or none if none was.
    pub(crate) fn has_external_id_of(&self, existing: &MachineAction) -> bool {
        existing.external_id.as_deref().filter(|id| !id.is_empty()) == self.external_id()
    }

    /// Whether `existing` has the comment and the external id that were sent. One that has an id where none was sent is somebody
    /// else's for certain.
    pub(crate) fn is_echoed_by(&self, existing: &MachineAction) -> bool {
        self.has_comment_of(existing) && self.has_external_id_of(existing)
    }

    /// Whether `existing` is what was meant, by the rule of the action's own type. Of a type that is not known here it is
    /// not, and of live response never.
    pub(crate) fn same_intent(&self, existing: &MachineAction) -> bool {
        let rules = [
            of::<UnrestrictCodeExecution>,
            of::<RestrictCodeExecution>,
            of::<Isolate>,
            of::<Unisolate>,
            of::<RunAntiVirusScan>,
            of::<StopAndQuarantineFile>,
            of::<CollectInvestigationPackage>,
            of::<Offboard>,
        ];
        self.action_type != LiveResponse::TYPE && rules.iter().any(|rule| rule(self, existing))
    }
}

fn of<A: Action + DeserializeOwned>(intent: &Intent, existing: &MachineAction) -> bool {
    intent.action_type == A::TYPE && A::deserialize(&intent.body).is_ok_and(|action| action.same_intent(existing))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn intent(action_type: &str, body: Value) -> Intent {
        let earliest = Timestamp::UNIX_EPOCH;
        Intent { machine_id: "m1".parse().unwrap(), action_type: action_type.to_owned(), body, earliest }
    }

    fn existing(json: Value) -> MachineAction {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn it_survives_being_written_down() {
        let intent = intent("Isolate", json!({"Comment": "c", "IsolationType": "Full", "ExternalId": "t"}));
        let read: Intent = serde_json::from_str(&serde_json::to_string(&intent).unwrap()).unwrap();
        assert_eq!(read, intent);
        assert_eq!((read.comment(), read.external_id()), (Some("c"), Some("t")));
    }

    #[test]
    fn what_was_meant_is_known_again_by_its_type_s_own_rule() {
        let full = intent("Isolate", json!({"Comment": "c", "IsolationType": "Full"}));
        assert!(full.same_intent(&existing(json!({"id": "a", "type": "Isolate", "scope": "Full"}))));
        assert!(!full.same_intent(&existing(json!({"id": "a", "type": "Isolate", "scope": "Selective"}))));
        let unknown = intent("EvictIdentity", json!({"Comment": "c"}));
        assert!(!unknown.same_intent(&existing(json!({"id": "a", "type": "EvictIdentity"}))));
        let session = intent("LiveResponse", json!({"Comment": "c", "Commands": []}));
        assert!(!session.same_intent(&existing(json!({"id": "a", "type": "LiveResponse"}))));
    }

    #[test]
    fn a_comment_is_echoed_with_blanks_and_not_with_other_words() {
        let intent = intent("Isolate", json!({"Comment": "c", "ExternalId": "t"}));
        let echo = |comment, id| existing(json!({"id": "a", "requestorComment": comment, "externalId": id}));
        assert!(intent.is_echoed_by(&echo("c ", Some("t"))));
        assert!(!intent.is_echoed_by(&echo("c", None)));
        assert!(!intent.is_echoed_by(&echo("cc", Some("t"))));
    }

    #[test]
    fn an_action_with_an_external_id_that_was_not_sent_is_another_s() {
        let intent = intent("Isolate", json!({"Comment": "c"}));
        let echo = |id| existing(json!({"id": "a", "requestorComment": "c", "externalId": id}));
        assert!(intent.is_echoed_by(&echo(None)) && intent.is_echoed_by(&echo(Some(""))));
        assert!(!intent.is_echoed_by(&echo(Some("t"))));
    }
}
