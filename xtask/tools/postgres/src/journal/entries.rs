//! What the checks of the journal share.

use std::time::Duration;

use defender_actions::{
    EntryKey, Holder, Intended, Intent, Journal, JournalError, JournalScope, Origin, Settlement, model::MachineAction,
};
use defender_store::{StoreError, StoreErrorKind};
use serde_json::json;

use crate::world::{Outcome, World, ensure, text};

pub(crate) const LEASE: Duration = Duration::from_secs(100);

/// A key that no other check uses.
pub(crate) fn entry_key() -> EntryKey {
    EntryKey::generate()
}

/// A scope that no other check uses.
pub(crate) fn scope() -> JournalScope {
    JournalScope::new("https://api.security.microsoft.com/", EntryKey::generate().as_str())
}

pub(crate) fn intent(scope: &JournalScope) -> Result<Intent, String> {
    let form = json!({
        "machine_id": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
        "action_type": "UnrestrictCodeExecution",
        "body": {"Comment": "INC-4711: cleaned and validated", "ExternalId": "0b0e1f7c-7c1c-4e59-9b7c-5d5e2f0a1b2c"},
        "earliest": "2026-11-29T06:00:00Z",
        "latest": "2026-11-29T06:05:00Z",
        "api": scope.api,
        "tenant_id": scope.tenant_id,
        "version": Intent::VERSION,
    });
    serde_json::from_value(form).map_err(text)
}

pub(crate) fn record(id: &str, status: &str) -> Result<MachineAction, String> {
    serde_json::from_value(json!({"id": id, "type": "UnrestrictCodeExecution", "status": status})).map_err(text)
}

pub(crate) fn created(id: &str) -> Result<Settlement, String> {
    Ok(Settlement::Submitted { origin: Origin::Created, action: Box::new(record(id, "Pending")?) })
}

pub(crate) fn unknown() -> Settlement {
    Settlement::Unknown { error: "the response was lost".to_owned() }
}

/// Writes a new intent.
pub(crate) async fn intend(
    journal: &dyn Journal,
    scope: &JournalScope,
    lease: Duration,
) -> Result<(EntryKey, Holder), String> {
    let (key, holder) = (entry_key(), Holder::generate());
    let intended = journal.intend(&key, &intent(scope)?, holder, lease).await.map_err(text)?;
    ensure!(intended == Intended::New, "a new key was {intended:?}");
    Ok((key, holder))
}

/// Takes over up to a hundred entries.
pub(crate) async fn take_over(journal: &dyn Journal, scope: &JournalScope) -> Result<Vec<EntryKey>, String> {
    let taken = journal.claim_unsettled(scope, Holder::generate(), LEASE, 100).await.map_err(text)?;
    Ok(taken.into_iter().map(|entry| entry.key).collect())
}

/// Number of entries of a scope.
pub(crate) async fn count(world: &World, scope: &JournalScope) -> Result<i64, String> {
    world.number(&format!("select count(*) from defender.entry where tenant = '{}'", scope.tenant_id)).await
}

pub(crate) fn kind(error: &JournalError) -> Option<StoreErrorKind> {
    std::error::Error::source(error)?.downcast_ref::<StoreError>().map(StoreError::kind)
}

/// The error of a call that must fail, of this kind.
pub(crate) fn failed<T: std::fmt::Debug>(
    done: Result<T, JournalError>,
    expected: StoreErrorKind,
) -> Result<JournalError, String> {
    let error = match done {
        Ok(done) => return Err(format!("{done:?}, and not an error")),
        Err(error) => error,
    };
    ensure!(kind(&error) == Some(expected), "{error:?}");
    Ok(error)
}

/// Lets a check end early with what it has seen.
pub(crate) fn is(holds: bool, why: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err(why.into()) }
}
