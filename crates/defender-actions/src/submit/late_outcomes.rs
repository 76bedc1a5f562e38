//! Outcomes of this process that reach the journal late, since it did not take them at once.

use std::{sync::Arc, time::Duration};

use defender_transport::Clock;

use crate::{
    DefenderClient, Error, ErrorKind, Intent, Submitted,
    journal::{
        Journal,
        entry::{Entry, EntryKey, Holder, Settlement},
        error::JournalError,
        journal_entry::JournalEntry,
        write_intent::{CALL_WITHIN, within},
    },
    submit::{
        journaled::Journaled,
        unwritten::{Kept, Unwritten},
    },
};

/// Interval at which the journal is asked again to take an outcome, and the time after which the client gives up. A database that restarts or
/// fails over is back by then.
const WRITE_AGAIN: Duration = Duration::from_secs(2);
const WRITE_WITHIN: Duration = Duration::from_secs(60);

impl DefenderClient {
    /// Returns the entry of a key of the [journal](crate::DefenderClientBuilder::journal), or `None` if it has none. No request is sent to the
    /// service.
    ///
    /// An outcome of this client that the journal did not take at once is written first, for which the client waits up to a minute: nobody else
    /// knows it. An entry without an outcome is therefore of a running call, of another process, or of a search that was not finished, and
    /// not of a request of which this client knows that it was not sent. [`flush_journal`](Self::flush_journal) writes such outcomes for all
    /// keys, and does not wait.
    ///
    /// # Errors
    ///
    /// [`Journal`](ErrorKind::Journal) if the journal cannot be read, or does not take the outcome; the client keeps the outcome, so that a
    /// later call writes it. [`Configuration`](ErrorKind::Configuration) if the client has no journal.
    pub async fn journal_entry(&self, key: &EntryKey) -> Result<Option<Entry>, Error> {
        let Some(journal) = &self.inner().journal else { return Err(no_journal()) };
        let (clock, began) = (&self.inner().clock, self.inner().clock.elapsed());
        while let Err(error) = self.write_kept(journal, self.inner().unwritten.of(key)).await {
            if clock.elapsed().saturating_sub(began) >= WRITE_WITHIN {
                return Err(error);
            }
            clock.sleep(WRITE_AGAIN).await;
        }
        let entry = within(&**clock, Some(CALL_WITHIN), journal.entry(key)).await;
        entry.map_err(|error| failed(of_key(key), error))
    }

    /// Writes the outcomes of this client that the [journal](crate::DefenderClientBuilder::journal) did not take at once. No request is sent to
    /// the service, and nothing is searched for.
    ///
    /// Nobody else knows these outcomes. A program calls this before it ends, and now and then if another process may
    /// [recover](Self::recover_pending) its entries.
    ///
    /// # Errors
    ///
    /// [`Journal`](ErrorKind::Journal) if the journal does not take an outcome; the client keeps it and those that are left, so that a later call
    /// writes them. [`Configuration`](ErrorKind::Configuration) if the client has no journal.
    pub async fn flush_journal(&self) -> Result<(), Error> {
        let Some(journal) = &self.inner().journal else { return Err(no_journal()) };
        self.write_kept(journal, self.inner().unwritten.all()).await
    }

    /// Writes outcomes that the journal did not take, up to the first that it does not take again.
    async fn write_kept(&self, journal: &Arc<dyn Journal>, kept: Kept) -> Result<(), Error> {
        for ((key, holder), unwritten) in kept {
            let written = written(self.clone(), Arc::clone(journal), (key.clone(), holder), unwritten).await;
            match written.map_err(|error| failed(of_key(&key), error))? {
                Some((_, Err(error))) if error.kind() == ErrorKind::Journal => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Writes an outcome of this process that the journal did not take before. Returns an action with its intent, and nothing of another outcome:
/// the caller has had that error.
pub(crate) async fn written(
    client: DefenderClient,
    journal: Arc<dyn Journal>,
    (key, holder): (EntryKey, Holder),
    unwritten: Unwritten,
) -> Result<Option<(Intent, Result<Submitted, Error>)>, JournalError> {
    let Unwritten { outcome, expected, may_appear_until } = unwritten;
    let journaled =
        Journaled { client, entry: JournalEntry::new(journal, key), holder, expected: Arc::clone(&expected) };
    let Settlement::Submitted { origin, action } = outcome else {
        return journaled.write(outcome, may_appear_until).await.map(|_settled| None);
    };
    let submitted = Submitted::new(journaled.client.clone(), action, origin, Arc::clone(&expected));
    let intent = Intent::clone(expected.submission.intent());
    Ok(Some((intent, journaled.settle(Ok(submitted)).await)))
}

fn of_key(key: &EntryKey) -> String {
    format!("journal entry `{key}`")
}

/// Returns the error of a call of the journal that sends nothing.
pub(crate) fn failed(context: impl Into<String>, error: JournalError) -> Error {
    Error::new(ErrorKind::Journal).context(context).not_sent().retryable(true).caused_by(error)
}

/// Returns the error of a client without a journal.
pub(crate) fn no_journal() -> Error {
    Error::new(ErrorKind::Configuration).context("the client has no journal; set one with `.journal(..)`")
}
