//! Rules that compare the particulars of a request with those of a record.

use std::sync::Arc;

use defender_model::{Action, ActionInfo, MachineAction, Match};

use crate::Intent;

/// Comparison of particulars by the rule of an action's type.
pub(crate) trait ParticularsRule: Send + Sync {
    /// Compares a record. See [`Action::particulars`].
    fn particulars_of(&self, existing: &MachineAction) -> Option<Match>;
}

impl<A: Action> ParticularsRule for A {
    fn particulars_of(&self, existing: &MachineAction) -> Option<Match> {
        self.particulars(existing)
    }
}

/// Rule of an intent's type, applied to the intent's body. An unknown type has no rule.
pub(crate) struct RuleOfIntent {
    intent: Arc<Intent>,
    action: Option<ActionInfo>,
}

impl RuleOfIntent {
    pub(crate) fn new<'a>(intent: Arc<Intent>, mut actions: impl Iterator<Item = &'a ActionInfo>) -> Self {
        let action = actions.find(|action| action.action_type.eq_ignore_ascii_case(&intent.action_type)).copied();
        Self { intent, action }
    }
}

impl ParticularsRule for RuleOfIntent {
    fn particulars_of(&self, existing: &MachineAction) -> Option<Match> {
        self.action?.particulars(&self.intent.body, existing)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use defender_model::ACTIONS;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    fn rule(action_type: &str, body: Value) -> RuleOfIntent {
        let valid = (Timestamp::UNIX_EPOCH, Duration::from_secs(300));
        let intent = Intent::new("m1".parse().unwrap(), action_type, body, false, valid);
        RuleOfIntent::new(Arc::new(intent), ACTIONS.iter())
    }

    fn existing(json: Value) -> MachineAction {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn particulars_follow_rule_of_type() {
        let full = rule("Isolate", json!({"Comment": "c", "IsolationType": "Full"}));
        let compare = |scope| full.particulars_of(&existing(json!({"id": "a", "type": "Isolate", "scope": scope})));
        assert_eq!(compare(Some("Full")), Some(Match::Same));
        assert_eq!(compare(Some("Selective")), Some(Match::Different));
        assert_eq!(compare(None), Some(Match::NotStated));
        for without_rule in ["EvictIdentity", "LiveResponse"] {
            let rule = rule(without_rule, json!({"Comment": "c", "Commands": []}));
            assert_eq!(rule.particulars_of(&existing(json!({"id": "a", "type": without_rule}))), None);
        }
    }
}
