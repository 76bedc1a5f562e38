//! Records for tests. Their fields are public, so that a test changes what it is about.

use defender_model::{ActionStatus, ActionType, HealthStatus, Machine, MachineAction, OnboardingStatus};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Noon of 1 January 2026, UTC: the time at which the clocks of the kit start.
const NOW: Timestamp = Timestamp::constant(1_767_268_800, 0);

/// Returns the record of a pending action of this type with this comment, created when the clocks of the kit start.
///
/// The record states no machine, so that it fits each. As the response to a submission with the same comment it is
/// [`Created`](crate::Origin::Created); with another comment it is an older action, which is [`Joined`](crate::Origin::Joined). Type and
/// comment decide the id.
///
/// ```
/// let mut action = defender_actions::testing::action("Isolate", "Ransomware");
/// action.computer_dns_name = Some("ws-eng-04".to_owned());
/// ```
#[must_use]
pub fn action(action_type: impl Into<ActionType>, comment: impl Into<String>) -> MachineAction {
    let (action_type, comment) = (action_type.into(), comment.into());
    let mut action: MachineAction = record(&json!({ "id": id(&[action_type.as_str(), &comment]) }));
    action.action_type = action_type;
    action.requestor = Some("A test".to_owned());
    action.requestor_comment = Some(comment);
    action.status = ActionStatus::Pending;
    action.creation_date_time_utc = Some(NOW);
    action.last_update_date_time_utc = Some(NOW);
    action.request_source = Some("PublicApi".to_owned());
    action
}

/// Returns the record of `action` a minute later, when it has ended with this status.
///
/// ```
/// use defender_actions::{model::ActionStatus, testing};
///
/// let failed = testing::ended(&testing::action("Isolate", "Ransomware"), ActionStatus::Failed);
/// assert!(failed.status.is_terminal());
/// ```
#[must_use]
pub fn ended(action: &MachineAction, status: ActionStatus) -> MachineAction {
    let mut ended = action.clone();
    ended.status = status;
    ended.last_update_date_time_utc = NOW.checked_add(SignedDuration::from_mins(1)).ok();
    ended
}

/// Returns the record of an active machine with Windows 11 and this name, which supports every action. The name decides the id.
///
/// ```
/// let mut machine = defender_actions::testing::machine("ws-eng-04.contoso.com");
/// machine.os_platform = Some("macOS".to_owned());
/// ```
#[must_use]
pub fn machine(name: impl Into<String>) -> Machine {
    let name = name.into();
    let mut machine: Machine = record(&json!({ "id": id(&["machine", &name.to_lowercase()]).replace('-', "") }));
    machine.computer_dns_name = Some(name);
    machine.first_seen = Some(NOW);
    machine.last_seen = Some(NOW);
    machine.os_platform = Some("Windows11".to_owned());
    machine.onboarding_status = Some(OnboardingStatus::Onboarded);
    machine.health_status = Some(HealthStatus::Active);
    machine
}

/// Returns an id in the form of a UUID, which these texts decide.
fn id(of: &[&str]) -> String {
    let digest: [u8; 32] = Sha256::digest(of.join("\0")).into();
    let (first, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
    let hex = format!("{:032x}", u128::from_be_bytes(*first));
    [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)].map(|(from, to)| hex.get(from..to).unwrap_or_default()).join("-")
}

#[expect(clippy::expect_used, reason = "the kit is for tests")]
fn record<T: serde::de::DeserializeOwned>(json: &serde_json::Value) -> T {
    T::deserialize(json).expect("an id is a record")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_type_and_comment() {
        let ids = [action("Isolate", "a"), action("Isolate", "b"), action("Unisolate", "a")].map(|action| action.id);
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
        assert_eq!(action("Isolate", "a"), action(ActionType::Isolate, "a"));
        assert_eq!((ids[0].as_str().len(), machine("x").id.as_str().len()), (36, 32));
    }
}
