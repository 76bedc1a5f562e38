//! The entry of a submission in the journal: what its states mean for the caller.

use std::{sync::Arc, time::Duration};

use defender_transport::Clock;

use crate::{
    DefenderClient, Error, ErrorKind, Intent, Submitted, UnknownReason,
    client::Inner,
    journal::{
        Journal,
        entry::{Entry, EntryKey, Holder, Settled, Settlement},
        journal_entry::JournalEntry,
        write_intent::{PendingIntent, State},
    },
    submit::{expected::Expected, recover::expected, unwritten::Unwritten},
};

/// Submission with an entry.
pub(crate) struct Journaled {
    pub(crate) client: DefenderClient,
    pub(crate) entry: JournalEntry,
    pub(crate) holder: Holder,
    pub(crate) expected: Arc<Expected>,
}

impl Journaled {
    /// Returns the entry of a submission, and the intent that is written before its request.
    pub(crate) fn begin(
        client: &DefenderClient,
        journal: Arc<dyn Journal>,
        key: Option<&str>,
        expected: &Arc<Expected>,
    ) -> Result<(Self, PendingIntent), Error> {
        let key = match key {
            None => EntryKey::generate(),
            Some(text) => EntryKey::new(text).ok_or_else(|| {
                let why = format!(
                    "the journal key is blank, has control characters, or is longer than {} bytes; correct it",
                    EntryKey::MAX_LENGTH
                );
                Error::new(ErrorKind::Request).context(expected.intent.context()).caused_by(why)
            })?,
        };
        let (inner, holder) = (client.inner(), Holder::generate());
        let valid_for = expected.intent.latest().duration_since(inner.clock.now());
        let lease = lease(inner, Duration::try_from(valid_for).unwrap_or_default());
        let intent = Arc::clone(&expected.intent);
        let pending = PendingIntent::new(Arc::clone(&journal), key.clone(), intent, holder, lease);
        let entry = JournalEntry::new(journal, key);
        Ok((Self { client: client.clone(), entry, holder, expected: Arc::clone(expected) }, pending))
    }

    /// Returns the outcome of the call after its attempts.
    pub(crate) async fn end(
        self,
        pending: &PendingIntent,
        outcome: Result<Submitted, Error>,
    ) -> Result<Submitted, Error> {
        match pending.take() {
            // Nothing was sent.
            State::NotWritten => outcome,
            State::Failed(error) => Err(self.failed().not_sent().retryable(true).caused_by(error)),
            State::Existing(entry) => self.existing(*entry),
            State::Written => self.settle(outcome).await,
        }
    }

    /// Writes the outcome, and returns it as the journal has it.
    pub(crate) async fn settle(self, outcome: Result<Submitted, Error>) -> Result<Submitted, Error> {
        let settlement = settlement(&outcome);
        let settled = self.entry.journal.settle(&self.entry.key, self.holder, &settlement).await;
        if settled.is_err() {
            let (holder, expected) = (self.holder, Arc::clone(&self.expected));
            let unwritten = Unwritten { holder, outcome: settlement, expected };
            self.client.inner().unwritten.keep(&self.entry.key, unwritten);
        }
        match (settled, outcome) {
            (Ok(Settled::Superseded(Settlement::Submitted { origin, action })), _) => {
                Ok(self.submitted(Submitted::new(self.client.clone(), action, origin, Arc::clone(&self.expected))))
            }
            (Ok(Settled::ClaimedBy(other)), Ok(submitted)) => Err(self.claimed(&other, submitted).await),
            (Ok(_), Ok(submitted)) => Ok(self.submitted(submitted)),
            // The entry stays intended, so that the action is found again, also by another process.
            (Err(error), Ok(submitted)) => {
                Err(self.failed().with_action(Some(submitted.action().clone())).caused_by(error))
            }
            (_, Err(error)) => Err(error),
        }
    }

    /// Returns the outcome of an earlier request with the same key.
    fn existing(&self, entry: Entry) -> Result<Submitted, Error> {
        let Entry { intent, outcome, .. } = entry;
        let ours = &*self.expected.intent;
        if !is_same(ours, &intent) {
            let why = format!("the journal key `{}` is of another action: {}", self.entry.key, intent.context());
            return Err(Error::new(ErrorKind::Request).context(ours.context()).caused_by(why));
        }
        match outcome {
            Some(Settlement::Submitted { origin, action }) => {
                let expected = expected(self.client.inner(), Arc::new(intent));
                let submitted = Submitted::new(self.client.clone(), action, origin, expected);
                Ok(self.submitted(submitted).of_earlier_request())
            }
            _ => Err(Error::new(ErrorKind::OutcomeUnknown).context(ours.context()).unknown(
                intent,
                Vec::new(),
                UnknownReason::EarlierRequest,
            )),
        }
    }

    /// Returns the error of a record that is the action of another entry.
    async fn claimed(&self, other: &EntryKey, submitted: Submitted) -> Error {
        let candidates = vec![submitted.action().clone()];
        let why = format!("the action {} is that of the journal entry `{other}`", submitted.id());
        let error = Error::new(ErrorKind::OutcomeUnknown)
            .context(self.expected.intent.context())
            .caused_by(why)
            .unknown((*self.expected.intent).clone(), candidates, UnknownReason::MayBeOurs);
        let unknown = Settlement::Unknown { error: error.to_string() };
        // If this fails, the entry stays intended, and a recovery comes to the same end.
        let _settled_or_not = self.entry.journal.settle(&self.entry.key, self.holder, &unknown).await;
        error
    }

    fn submitted(&self, submitted: Submitted) -> Submitted {
        submitted.with_entry(self.entry.clone())
    }

    fn failed(&self) -> Error {
        Error::new(ErrorKind::Journal).context(self.expected.intent.context())
    }
}

/// Returns whether two intents are for the same action on the same machine.
fn is_same(one: &Intent, other: &Intent) -> bool {
    one.machine_id == other.machine_id
        && one.action_type == other.action_type
        && one.tenant_id == other.tenant_id
        && !one.differs_in_particulars(other)
}

/// Returns the outcome as the journal has it.
fn settlement(outcome: &Result<Submitted, Error>) -> Settlement {
    match outcome {
        Ok(submitted) => {
            Settlement::Submitted { origin: submitted.origin(), action: Box::new(submitted.action().clone()) }
        }
        Err(error) => {
            let text = error.to_string();
            match error.kind() {
                _ if error.is_outcome_unknown() => Settlement::Unknown { error: text },
                _ if error.never_sent() => Settlement::NotSent { error: text },
                ErrorKind::Refused
                | ErrorKind::AlreadyInProgress
                | ErrorKind::Conflict
                | ErrorKind::Unauthorized
                | ErrorKind::Forbidden
                | ErrorKind::NotFound
                | ErrorKind::Retired
                | ErrorKind::Throttled => Settlement::Refused { error: text },
                _ => Settlement::Unknown { error: text },
            }
        }
    }
}

/// Returns the longest time for which a call or a recovery holds its entry. A call that sends takes `sending` more.
pub(crate) fn lease(inner: &Inner, sending: Duration) -> Duration {
    const MARGIN: Duration = Duration::from_secs(60);
    let search = inner.poll.visibility_timeout.saturating_mul(2).saturating_add(inner.longest_attempt);
    sending.saturating_add(search).saturating_add(MARGIN)
}
