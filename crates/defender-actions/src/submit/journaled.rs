//! The entry of a submission in the journal: what its states mean for the caller.

use std::{sync::Arc, time::Duration};

use defender_transport::Clock;

use crate::{
    DefenderClient, Error, ErrorKind, Intent, Submitted, UnknownReason,
    client::Inner,
    journal::{
        Journal,
        entry::{Entry, EntryKey, Holder, JournalScope, Settled, Settlement},
        error::JournalError,
        journal_entry::JournalEntry,
        write_intent::{CALL_WITHIN, PendingIntent, State, within},
    },
    submit::{expected::Expected, recover::expected, submission::Submission, unwritten::Unwritten},
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
        timeout: Option<Duration>,
    ) -> Result<(Self, PendingIntent), Error> {
        let key = match key {
            None => EntryKey::generate(),
            Some(text) => EntryKey::new(text).ok_or_else(|| {
                let why = format!(
                    "the journal key is blank, has control characters, or is longer than {} bytes; correct it",
                    EntryKey::MAX_LENGTH
                );
                Error::new(ErrorKind::Request).context(expected.submission.context()).caused_by(why)
            })?,
        };
        let (inner, holder) = (client.inner(), Holder::generate());
        let valid_for = expected.submission.latest().duration_since(inner.clock.now());
        // A second request of `resend_if_lost` has its own time. An intent may be valid for longer than its call lasts.
        let call = timeout.unwrap_or(inner.total_timeout).saturating_mul(2);
        let sending = Duration::try_from(valid_for).unwrap_or_default().min(call);
        let lease = lease(inner, sending);
        let intent = Arc::clone(expected.submission.intent());
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
            State::Failed(error) => {
                // The journal may have the intent. With this outcome its key may be used again.
                let failed = self.failed().not_sent().retryable(true).caused_by(error);
                let may_appear_until = Some(self.client.inner().clock.elapsed().saturating_add(pending.lease()));
                let not_sent = Settlement::NotSent { error: failed.to_string() };
                let _written_or_kept = self.write(not_sent, may_appear_until).await;
                Err(failed)
            }
            State::Existing(entry) => self.existing(*entry),
            State::Written => self.settle(outcome).await,
        }
    }

    /// Writes the outcome of a recovery. An error of a recovery shows nothing of the request. After a search that was not finished, the
    /// entry stays intended, so that a later recovery searches again.
    pub(crate) async fn settle_recovered(self, outcome: Result<Submitted, Error>) -> Result<Submitted, Error> {
        match &outcome {
            Ok(_) => self.settle(outcome).await,
            Err(error) if !is_searched(error) => outcome,
            Err(error) => {
                let unknown = Settlement::Unknown { error: error.to_string() };
                self.settle_as(unknown, outcome).await
            }
        }
    }

    /// Writes the outcome, and returns it as the journal has it. After a search that was not finished, the entry stays intended.
    pub(crate) async fn settle(self, outcome: Result<Submitted, Error>) -> Result<Submitted, Error> {
        if outcome.as_ref().is_err_and(|error| error.is_outcome_unknown() && !is_searched(error)) {
            return outcome;
        }
        let settlement = settlement(&outcome);
        self.settle_as(settlement, outcome).await
    }

    /// Writes an outcome within a time limit. Until it is written, this process keeps it, also if the future is dropped. If the journal
    /// has no such entry, and the intent may still appear in it, the outcome is kept as well.
    pub(crate) async fn write(
        &self,
        outcome: Settlement,
        may_appear_until: Option<Duration>,
    ) -> Result<Settled, JournalError> {
        let (inner, key) = (self.client.inner(), &self.entry.key);
        let expected = Arc::clone(&self.expected);
        let kept = Unwritten { outcome: outcome.clone(), expected, may_appear_until };
        inner.unwritten.keep(key, self.holder, kept, inner.clock.elapsed());
        let settled = self.entry.journal.settle(key, self.holder, &outcome);
        let settled = within(&*inner.clock, Some(CALL_WITHIN), settled).await;
        let may_appear = may_appear_until.is_some_and(|until| inner.clock.elapsed() < until);
        if settled.as_ref().is_ok_and(|settled| !(may_appear && *settled == Settled::NotHeld)) {
            inner.unwritten.forget(key, self.holder);
        }
        settled
    }

    async fn settle_as(self, settlement: Settlement, outcome: Result<Submitted, Error>) -> Result<Submitted, Error> {
        let settled = self.write(settlement, None).await;
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
        let ours = &self.expected.submission;
        if !is_same(ours, &intent) {
            let (tenant, api) = (intent.tenant_id.as_deref().unwrap_or("?"), intent.api.as_deref().unwrap_or("?"));
            let why = format!(
                "the journal key `{}` is of another action: {}, in tenant {tenant} at {api}",
                self.entry.key,
                intent.context()
            );
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
            .context(self.expected.submission.context())
            .caused_by(why)
            .unknown(Intent::clone(self.expected.submission.intent()), candidates, UnknownReason::MayBeOurs);
        let _written_or_kept = self.write(Settlement::Unknown { error: error.to_string() }, None).await;
        error
    }

    fn submitted(&self, submitted: Submitted) -> Submitted {
        submitted.with_entry(self.entry.clone())
    }

    fn failed(&self) -> Error {
        Error::new(ErrorKind::Journal).context(self.expected.submission.context())
    }
}

impl DefenderClient {
    /// Returns the action of an entry of the journal, or `None` if the service has accepted none, as far as the entry shows. Nothing is
    /// sent.
    #[must_use]
    pub fn submitted(&self, key: &EntryKey, entry: Entry) -> Option<Submitted> {
        let Some(Settlement::Submitted { origin, action }) = entry.outcome else { return None };
        let journal = Arc::clone(self.inner().journal.as_ref()?);
        let expected = expected(self.inner(), Arc::new(entry.intent));
        let submitted = Submitted::new(self.clone(), action, origin, expected);
        Some(submitted.with_entry(JournalEntry::new(journal, key.clone())).of_earlier_request())
    }
}

/// Returns whether a submission and an intent are for the same action on the same machine.
fn is_same(ours: &Submission, other: &Intent) -> bool {
    JournalScope::of(ours.intent()) == JournalScope::of(other)
        && ours.is_for(&other.machine_id, &other.action_type)
        && !ours.intent().differs_in_particulars(other)
}

/// Returns whether the search for the action was finished: a later search would read the same lists and find the same.
fn is_searched(error: &Error) -> bool {
    matches!(
        error.reason(),
        Some(
            UnknownReason::NothingFound
                | UnknownReason::MayBeOurs
                | UnknownReason::OtherRecord
                | UnknownReason::EarlierRequest
        )
    )
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
