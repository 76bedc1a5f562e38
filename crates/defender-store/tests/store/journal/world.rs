//! Intents and outcomes of the tests.

use std::time::Duration;

use defender_actions::{
    EntryKey, Holder, Intended, Intent, Journal, JournalScope, Origin, Settlement, model::MachineAction,
};
use serde_json::json;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);

pub(super) fn key(name: &str) -> EntryKey {
    EntryKey::new(name).unwrap()
}

pub(super) fn scope() -> JournalScope {
    JournalScope::new("https://api.security.microsoft.com/", "tenant")
}

pub(super) fn intent_of(tenant: &str) -> Intent {
    serde_json::from_value(json!({
        "machine_id": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
        "action_type": "UnrestrictCodeExecution",
        "body": {"Comment": "INC-4711: cleaned and validated", "ExternalId": "0b0e1f7c-7c1c-4e59-9b7c-5d5e2f0a1b2c"},
        "earliest": "2026-11-29T06:00:00Z",
        "latest": "2026-11-29T06:05:00Z",
        "api": scope().api,
        "tenant_id": tenant,
        "version": Intent::VERSION,
    }))
    .unwrap()
}

pub(super) fn intent() -> Intent {
    intent_of("tenant")
}

pub(super) fn record(id: &str, status: &str) -> MachineAction {
    serde_json::from_value(json!({"id": id, "type": "UnrestrictCodeExecution", "status": status})).unwrap()
}

pub(super) fn created(id: &str) -> Settlement {
    Settlement::Submitted { origin: Origin::Created, action: Box::new(record(id, "Pending")) }
}

pub(super) fn unknown() -> Settlement {
    Settlement::Unknown { error: "the response was lost".to_owned() }
}

/// Writes a new intent.
pub(super) async fn intend(journal: &dyn Journal, name: &str, lease: Duration) -> Holder {
    let holder = Holder::generate();
    assert_eq!(journal.intend(&key(name), &intent(), holder, lease).await.unwrap(), Intended::New);
    holder
}

/// Keys of the entries that are taken over.
pub(super) async fn take_over(journal: &dyn Journal) -> Vec<String> {
    let taken = journal.claim_unsettled(&scope(), Holder::generate(), SECOND * 300, 100).await.unwrap();
    taken.into_iter().map(|entry| entry.key.as_str().to_owned()).collect()
}
