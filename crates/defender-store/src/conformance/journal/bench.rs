//! The tools of a clause: a scope of its own, and the handles of the journal.

use std::{sync::Arc, time::Duration};

use defender_actions::{
    Entry, EntryKey, Holder, Intended, Intent, Journal, JournalError, JournalScope, Origin, Settled, Settlement,
    Unsettled, model::MachineAction, transport::Clock,
};
use serde_json::{Value, json};

use crate::conformance::verdict::{Stop, check};

pub(super) struct Bench<'a> {
    journals: &'a [Arc<dyn Journal>],
    pub(super) clock: &'a dyn Clock,
    pub(super) unit: Duration,
    pub(super) scope: JournalScope,
    prefix: String,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        journals: &'a [Arc<dyn Journal>],
        clock: &'a dyn Clock,
        unit: Duration,
        clause: &'static str,
    ) -> Self {
        let prefix = format!("conformance/{clause}/{}", EntryKey::generate());
        let scope = JournalScope::new(format!("https://{clause}.example/"), EntryKey::generate().as_str());
        Self { journals, clock, unit, scope, prefix }
    }

    /// A key of this clause.
    pub(super) fn key(&self, name: &str) -> Result<EntryKey, Stop> {
        EntryKey::new(&format!("{}/{name}", self.prefix)).ok_or_else(|| Stop::Broken(format!("{name:?} is not a key")))
    }

    /// An intent in the scope of this clause.
    pub(super) fn intent(&self, comment: &str) -> Result<Intent, Stop> {
        self.intent_in(&self.scope, comment)
    }

    pub(super) fn intent_in(&self, scope: &JournalScope, comment: &str) -> Result<Intent, Stop> {
        let mut intent = read_intent(json!({
            "machine_id": "1e5bc9d7e413ddd7902c2932e418702b84d0cc07",
            "action_type": "UnrestrictCodeExecution",
            "body": {"Comment": comment},
            "earliest": self.clock.now(),
            "version": Intent::VERSION,
        }))?;
        (intent.api, intent.tenant_id) = (Some(scope.api.clone()), Some(scope.tenant_id.clone()));
        Ok(intent)
    }

    /// A time after which no clause looks.
    pub(super) fn long(&self) -> Duration {
        self.unit.saturating_mul(1_000)
    }

    /// Writes a new intent that is held for long.
    pub(super) async fn open(&self, name: &str) -> Result<(EntryKey, Holder), Stop> {
        self.open_for(name, self.long()).await
    }

    /// Writes a new intent that is held for this time.
    pub(super) async fn open_for(&self, name: &str, lease: Duration) -> Result<(EntryKey, Holder), Stop> {
        self.open_in(&self.scope, name, lease).await
    }

    pub(super) async fn open_in(
        &self,
        scope: &JournalScope,
        name: &str,
        lease: Duration,
    ) -> Result<(EntryKey, Holder), Stop> {
        let (key, holder, intent) = (self.key(name)?, Holder::generate(), self.intent_in(scope, name)?);
        let intended = self.intend_for(0, &key, &intent, holder, lease).await?;
        check(intended == Intended::New, format!("a new key was {intended:?}"))?;
        Ok((key, holder))
    }

    /// Writes an intent that is held for long.
    pub(super) async fn intend(
        &self,
        handle: usize,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
    ) -> Result<Intended, Stop> {
        self.intend_for(handle, key, intent, holder, self.long()).await
    }

    pub(super) async fn intend_for(
        &self,
        handle: usize,
        key: &EntryKey,
        intent: &Intent,
        holder: Holder,
        lease: Duration,
    ) -> Result<Intended, Stop> {
        self.journal(handle)?.intend(key, intent, holder, lease).await.map_err(failed)
    }

    pub(super) async fn settle(
        &self,
        handle: usize,
        key: &EntryKey,
        holder: Holder,
        outcome: &Settlement,
    ) -> Result<Settled, Stop> {
        self.journal(handle)?.settle(key, holder, outcome).await.map_err(failed)
    }

    /// Writes an outcome, which must be done.
    pub(super) async fn done(
        &self,
        handle: usize,
        key: &EntryKey,
        holder: Holder,
        outcome: &Settlement,
    ) -> Result<(), Stop> {
        let settled = self.settle(handle, key, holder, outcome).await?;
        check(settled == Settled::Done, format!("{outcome:?} of the holder was {settled:?}"))
    }

    pub(super) async fn finish(&self, handle: usize, key: &EntryKey, last: &MachineAction) -> Result<(), Stop> {
        self.journal(handle)?.finish(key, last).await.map_err(failed)
    }

    /// Takes over entries of the scope of this clause, for long.
    pub(super) async fn take_over(
        &self,
        handle: usize,
        holder: Holder,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, Stop> {
        self.take_over_for(handle, holder, self.long(), at_most).await
    }

    pub(super) async fn take_over_for(
        &self,
        handle: usize,
        holder: Holder,
        lease: Duration,
        at_most: usize,
    ) -> Result<Vec<Unsettled>, Stop> {
        let taken = self.journal(handle)?.claim_unsettled(&self.scope, holder, lease, at_most).await.map_err(failed)?;
        check(taken.len() <= at_most, format!("{} entries were taken over, and {at_most} asked for", taken.len()))?;
        Ok(taken)
    }

    /// Checks that no entry of the scope is free before `until`.
    pub(super) async fn none_is_free(&self, handle: usize, until: Duration, why: &str) -> Result<(), Stop> {
        let taken = self.take_over(handle, Holder::generate(), 10).await?;
        match taken.first() {
            None => Ok(()),
            Some(entry) if self.clock.elapsed() < until => {
                Err(Stop::Broken(format!("{} was taken over, although {why}", entry.key)))
            }
            Some(_) => Err(Stop::TooSlow),
        }
    }

    pub(super) async fn entry(&self, handle: usize, key: &EntryKey) -> Result<Option<Entry>, Stop> {
        self.journal(handle)?.entry(key).await.map_err(failed)
    }

    /// Checks the outcome that an entry has, by each handle.
    pub(super) async fn has(&self, key: &EntryKey, outcome: Option<&Settlement>) -> Result<(), Stop> {
        for handle in 0..self.journals.len() {
            let entry = self.entry(handle, key).await?;
            let entry = entry.ok_or_else(|| Stop::Broken(format!("{key} has no entry")))?;
            let there = entry.outcome.as_ref();
            check(there == outcome, format!("the outcome is {there:?}, and not {outcome:?}"))?;
        }
        Ok(())
    }

    /// Waits until the time has certainly passed on the clock of the journal.
    pub(super) async fn pass(&self, moment: Duration) {
        self.clock.sleep_until(moment.saturating_add(self.unit / 50)).await;
    }

    /// Waits until a lease that began now is over.
    pub(super) async fn pass_lease(&self, lease: Duration) {
        self.pass(self.clock.elapsed().saturating_add(lease)).await;
    }

    fn journal(&self, handle: usize) -> Result<&dyn Journal, Stop> {
        let handle = handle.checked_rem(self.journals.len()).and_then(|handle| self.journals.get(handle));
        handle.map(Arc::as_ref).ok_or_else(|| Stop::Broken("the suite has no journal".to_owned()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is the last use of an error")]
fn failed(error: JournalError) -> Stop {
    Stop::Broken(format!("the journal failed: {error}"))
}

pub(super) fn read_intent(form: Value) -> Result<Intent, Stop> {
    serde_json::from_value(form).map_err(|error| Stop::Broken(format!("an intent of the suite is wrong: {error}")))
}

pub(super) fn record(form: Value) -> Result<MachineAction, Stop> {
    serde_json::from_value(form).map_err(|error| Stop::Broken(format!("a record of the suite is wrong: {error}")))
}

/// An action that the service has accepted.
pub(super) fn submitted(origin: Origin, id: &str) -> Result<Settlement, Stop> {
    let action = record(json!({"id": id, "type": "UnrestrictCodeExecution", "status": "Pending"}))?;
    Ok(Settlement::Submitted { origin, action: Box::new(action) })
}

pub(super) fn not_sent() -> Settlement {
    Settlement::NotSent { error: "no connection".to_owned() }
}

pub(super) fn refused() -> Settlement {
    Settlement::Refused { error: "403".to_owned() }
}

pub(super) fn unknown() -> Settlement {
    Settlement::Unknown { error: "the response was lost".to_owned() }
}
