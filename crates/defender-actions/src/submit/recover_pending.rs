//! Recovery of the entries of a journal that have no outcome.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream, stream::FuturesUnordered};

use crate::{
    BoxFuture, BoxStream, DefenderClient, Error, Intent, Submitted,
    journal::{
        Journal,
        entry::{EntryKey, Holder, JournalScope, Unsettled},
        journal_entry::JournalEntry,
        write_intent::{CALL_WITHIN, within},
    },
    submit::{
        journaled::{Journaled, lease},
        late_outcomes, recover,
        unwritten::Unwritten,
    },
};

/// Number of entries that are taken over at a time. All of them read the same lists.
const BATCH: usize = 200;

impl DefenderClient {
    /// Finds the outcomes of the entries of the [journal](crate::DefenderClientBuilder::journal) that have none: those of a process that
    /// died, or of a future that was dropped. Only reads are sent. Each outcome is written to the journal.
    ///
    /// An entry is free once its lease is over, ten and a half minutes after the intent with the default settings. So call this every few
    /// minutes, and not only at the start of a program. In a [`JsonlJournal`](crate::JsonlJournal) the entries of an earlier process are free
    /// at once. An entry whose lists could not be read stays intended for the next recovery.
    ///
    /// Entries of a running call are left to it. Several processes may recover at the same time; each entry is taken by one of them.
    ///
    /// ```no_run
    /// use defender_actions::DefenderClient;
    /// use futures_util::StreamExt;
    ///
    /// # async fn example(defender: DefenderClient) -> Result<(), defender_actions::Error> {
    /// let mut pending = defender.recover_pending().stream();
    /// while let Some(recovered) = pending.next().await {
    ///     let recovered = recovered?;
    ///     match recovered.outcome {
    ///         Ok(submitted) => println!("{}: action {}", recovered.key, submitted.id()),
    ///         Err(error) => println!("{}: {error}", recovered.key), // a person decides whether to do it again
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn recover_pending(&self) -> RecoverPending {
        RecoverPending { client: self.clone() }
    }

    /// Finds the action of one entry of the [journal](crate::DefenderClientBuilder::journal) as [`recover`](Self::recover), and writes it to
    /// the entry. Nothing is written if no action is found.
    ///
    /// Only for an entry whose request nobody sends any more, such as that of a dead process. Until the journal has the action, this client
    /// keeps it, also if the future is dropped: a later [`journal_entry`](Self::journal_entry) or [`flush_journal`](Self::flush_journal)
    /// writes it.
    ///
    /// # Errors
    ///
    /// As [`Recover::send`](crate::Recover::send); [`Journal`](crate::ErrorKind::Journal) if the journal does not take the action, which the
    /// error has; [`Configuration`](crate::ErrorKind::Configuration) if the client has no journal.
    pub async fn recover_entry(&self, key: &EntryKey, intent: Intent) -> Result<Submitted, Error> {
        let journal = self.inner().journal.clone().ok_or_else(late_outcomes::no_journal)?;
        let (entry, holder) = (JournalEntry::new(journal, key.clone()), Holder::generate());
        // No await before the action is kept: the client does not let another search have it.
        let settle = async |client, expected, outcome: Result<Submitted, Error>| {
            Journaled { client, entry, holder, expected }.settle(Ok(outcome?)).await
        };
        Box::pin(recover::recovered(self.clone(), intent, settle)).await
    }
}

/// Recovery of the entries of a journal. Nothing is sent before it is awaited or its stream is polled.
#[derive(Clone, Debug)]
#[must_use = "nothing is recovered until this is awaited or its stream is polled"]
pub struct RecoverPending {
    client: DefenderClient,
}

/// Entry of a journal that was recovered.
#[derive(Debug)]
#[non_exhaustive]
pub struct Recovered {
    /// Key of the entry.
    pub key: EntryKey,
    /// Intent of the request.
    pub intent: Intent,
    /// Result of [`Recover`](crate::Recover). The journal has it, unless it failed; then a later recovery finds the entry again.
    pub outcome: Result<Submitted, Error>,
}

impl RecoverPending {
    /// Recovers all entries: the same as awaiting this, as a future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// [`Journal`](crate::ErrorKind::Journal) if the journal cannot be read, and [`Configuration`](crate::ErrorKind::Configuration) if the client
    /// has none. Entries that were recovered before are in the journal.
    pub fn send(self) -> impl Future<Output = Result<Vec<Recovered>, Error>> + Send + 'static {
        async move {
            let (mut stream, mut recovered) = (self.stream(), Vec::new());
            while let Some(next) = stream.next().await {
                recovered.push(next?);
            }
            Ok(recovered)
        }
    }

    /// Returns each entry once, as soon as its outcome is known. An error is the last item.
    ///
    /// The searches run while the stream is polled, and other searches of this client wait for theirs. Do not submit an action inside
    /// the loop: collect the items first, or await [`send`](Self::send).
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn stream(self) -> BoxStream<Result<Recovered, Error>> {
        let Some(journal) = self.client.inner().journal.clone() else {
            return Box::pin(stream::iter([Err(late_outcomes::no_journal())]));
        };
        let (client, of_unwritten) = (self.client.clone(), Arc::clone(&journal));
        let unwritten = stream::once(async move {
            let unwritten = client.inner().unwritten.all().into_iter();
            let unwritten: FuturesUnordered<_> = unwritten
                .map(|(entry, unwritten)| written(client.clone(), Arc::clone(&of_unwritten), entry, unwritten))
                .collect();
            unwritten.filter_map(|written| async { written.map(Ok) })
        });
        let batches = stream::unfold(Some((self.client, journal, BTreeSet::new())), |state| async move {
            let (client, journal, mut known) = state?;
            match claim(&client, &*journal).await {
                Ok(mut entries) => {
                    // An entry that could not be settled is returned once.
                    entries.retain(|(entry, _)| known.insert(entry.key.clone()));
                    if entries.is_empty() {
                        return None;
                    }
                    let recovered: FuturesUnordered<_> = entries
                        .into_iter()
                        .map(|entry| recovered(client.clone(), Arc::clone(&journal), entry))
                        .collect();
                    Some((recovered.map(Ok).boxed(), Some((client, journal, known))))
                }
                Err(error) => Some((stream::iter([Err(error)]).boxed(), None)),
            }
        });
        Box::pin(unwritten.flatten().chain(batches.flatten()))
    }
}

/// Entry and its holder.
type Claimed = (Unsettled, Holder);

/// Takes over entries of this service and tenant.
async fn claim(client: &DefenderClient, journal: &dyn Journal) -> Result<VecDeque<Claimed>, Error> {
    let inner = client.inner();
    let scope = JournalScope::new(inner.base.as_str(), inner.tenant_id.as_deref().unwrap_or_default());
    let holder = Holder::generate();
    let entries = journal.claim_unsettled(&scope, holder, lease(inner, Duration::ZERO), BATCH);
    let entries = within(&*inner.clock, Some(CALL_WITHIN), entries).await;
    let entries = entries.map_err(|error| late_outcomes::failed("recover_pending", error))?;
    Ok(entries.into_iter().map(|entry| (entry, holder)).collect())
}

/// Finds the outcome of an entry, and writes it.
async fn recovered(client: DefenderClient, journal: Arc<dyn Journal>, (entry, holder): Claimed) -> Recovered {
    let Unsettled { key, intent, .. } = entry;
    let entry = JournalEntry::new(journal, key.clone());
    let settle =
        async |client, expected, outcome| Journaled { client, entry, holder, expected }.settle_recovered(outcome).await;
    let outcome = recover::recovered(client, intent.clone(), settle).await;
    Recovered { key, intent, outcome }
}

/// Writes an outcome of this process. Only an action is returned.
async fn written(
    client: DefenderClient,
    journal: Arc<dyn Journal>,
    entry: (EntryKey, Holder),
    unwritten: Unwritten,
) -> Option<Recovered> {
    let key = entry.0.clone();
    // What fails is kept for the next recovery.
    let (intent, outcome) = late_outcomes::written(client, journal, entry, unwritten).await.unwrap_or_default()?;
    Some(Recovered { key, intent, outcome })
}

impl IntoFuture for RecoverPending {
    type Output = Result<Vec<Recovered>, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
