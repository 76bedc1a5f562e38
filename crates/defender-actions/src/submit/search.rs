//! The search for an action whose response was lost.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use defender_transport::Clock;
use jiff::{SignedDuration, Timestamp};

use crate::{
    Error, ErrorKind, Submitted, UnknownReason,
    client::service_clock::Moment,
    submit::{
        candidate_list::own_list,
        origin::Origin,
        reconcile::{Comparison, Finding, Names, Window, can_exclude, find, may_be_ours},
        reconciler::{Reconciler, ends_search, not_read},
        shared_search::{Candidates, Participant, Row, Searcher},
    },
};

/// Limits of the search after a lost response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SearchLimits {
    /// End of the time in which the action can have been created.
    pub(crate) window_end: Moment,
    /// The last list is requested at this time or later.
    pub(crate) until: SignedDuration,
    /// A second request follows if nothing is found, so the last list must be filtered by machine and type only.
    pub(crate) before_resend: bool,
}

impl Reconciler {
    /// Finds the action whose response was lost.
    pub(crate) async fn recover(&self, lost: Error, limits: SearchLimits) -> Result<Submitted, Error> {
        let inner = self.inner();
        let clock = Arc::clone(&inner.clock);
        let searcher = Arc::new(LostSubmission {
            reconciler: self.clone(),
            machine: self.submission().machine_id().as_str().to_ascii_lowercase(),
            names: Mutex::new(inner.names().await),
            limits,
        });
        let participant = inner.searches.join(Arc::clone(&searcher) as Arc<dyn Searcher>);
        let mut delays = inner.poll.after_response();
        // If only the last list was not readable, a few more are read.
        let mut retries = LAST_RETRIES;
        let mut queue_time = inner.poll.at_most;
        loop {
            let now = self.now().elapsed;
            let is_last = now >= limits.until;
            match self.search_once(&participant, &searcher, now, is_last).await {
                Ok(Found { rows, finding: Finding::Ours(index), by_generated_id }) => {
                    let mut rows = rows.rows;
                    let record = rows.swap_remove(index).record;
                    // Only a request of this intent has its generated id: its recovery has the record even if another submission holds it.
                    let is_its_own = by_generated_id && self.in_flight.is_recovery();
                    if self.in_flight.claim(&record.id, self.now()) || is_its_own {
                        return Ok(self.submitted(record.into(), Origin::Recovered));
                    }
                    // Another submission has claimed the record in the meantime.
                    if is_last {
                        return Err(self.unknown(lost, vec![record], UnknownReason::MayBeOurs));
                    }
                }
                Ok(Found { rows, finding: Finding::MayBeOurs, .. })
                    if is_last && retries > 0 && rows.rows.iter().any(|row| row.raw.is_some()) =>
                {
                    retries = retries.saturating_sub(1);
                }
                Ok(Found { rows, finding, .. }) if is_last => {
                    let reason = match finding {
                        Finding::Nothing => UnknownReason::NothingFound,
                        Finding::MayBeOurs | Finding::Ours(_) => UnknownReason::MayBeOurs,
                    };
                    let raw = rows.rows.iter().find_map(|row| row.raw.clone());
                    let candidates = rows.rows.into_iter().filter(|row| row.raw.is_none()).map(|row| row.record);
                    let unknown = self.unknown(lost, candidates.collect(), reason);
                    return Err(match raw {
                        Some(raw) => unknown.with_row(raw),
                        None => unknown,
                    });
                }
                Err(error) if ends_search(&error) || is_last && retries == 0 && !may_wait(&error, queue_time) => {
                    return Err(self.unknown(lost, Vec::new(), not_read(&error)).with_list_error(&error));
                }
                // The search is extended while a list waits in the client's own queue.
                Err(error) if is_last && may_wait(&error, queue_time) => {
                    let pause = error.retry_after().unwrap_or_default().max(Duration::from_secs(1)).min(queue_time);
                    queue_time = queue_time.saturating_sub(pause);
                    clock.sleep(pause).await;
                    continue;
                }
                Err(_) if is_last => retries = retries.saturating_sub(1),
                Ok(_) | Err(_) => {}
            }
            let left = self.left(limits.until);
            let pause = if left.is_zero() { inner.poll.first } else { delays.next().min(left) };
            clock.sleep(pause).await;
        }
    }

    /// Reads the shared list, and a list of the machine and type if the shared list is not sufficient.
    async fn search_once(
        &self,
        participant: &Participant<'_>,
        searcher: &LostSubmission,
        now: SignedDuration,
        is_last: bool,
    ) -> Result<Found, Error> {
        // Without a `Date`, the shared list begins at a time of our own clock, whose error may exceed the range of the list.
        let is_conclusive = !searcher.limits.before_resend && searcher.window().clears_before.is_some();
        if !is_last || is_conclusive {
            let not_before = if is_last { now } else { SignedDuration::MIN };
            if let Some(rows) = participant.shared_list(&self.client, not_before).await? {
                let found = searcher.judge(rows, false, is_last);
                // A row without a machine or type may belong to any submission; a list that is filtered by them decides.
                let is_clear = !found.rows.has_vague || found.by_generated_id;
                let is_open = !is_last && !matches!(found.finding, Finding::Ours(_));
                if is_clear || is_open {
                    return Ok(found);
                }
            }
        }
        let rows = own_list(&self.client, self.list(), |row| searcher.may_be_ours_in(row, true)).await?;
        Ok(searcher.judge(rows, true, is_last))
    }
}

/// Number of further lists that are read if the last list was unreadable, or had an unreadable row.
const LAST_RETRIES: u8 = 4;

/// Returns whether the client's own queue delayed a list and the search may wait for it.
fn may_wait(error: &Error, left: Duration) -> bool {
    error.kind() == ErrorKind::Throttled && error.never_sent() && !left.is_zero()
}

/// Result of one list.
struct Found {
    rows: Candidates,
    finding: Finding,
    by_generated_id: bool,
}

/// Submission whose response was lost, as a participant of the shared search.
struct LostSubmission {
    reconciler: Reconciler,
    machine: String,
    /// `None` while there is no token: an issuer may be silent for a while.
    names: Mutex<Option<Arc<Names>>>,
    limits: SearchLimits,
}

impl LostSubmission {
    fn window(&self) -> Window {
        self.reconciler.inner().service_time.window(self.reconciler.first_attempt, self.limits.window_end)
    }

    /// Returns the names of the principal. The lists are read with its token, so that it is cached by then.
    fn names(&self) -> Option<Arc<Names>> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.is_none() {
            *names = self.reconciler.inner().cached_names();
        }
        names.clone()
    }

    fn judge(&self, rows: Candidates, filtered: bool, is_last: bool) -> Found {
        let (window, names) = (self.window(), self.names());
        let is_nameless = names.is_none();
        let names = names.unwrap_or_default();
        let compare = |row: &Row| self.reconciler.compare(&names, &window, filtered, row);
        let compared: Vec<_> = rows.rows.iter().map(compare).collect();
        let mut finding = find(&compared);
        let by_generated_id = match finding {
            Finding::Ours(index) => compared.get(index).is_some_and(Comparison::has_our_generated_id),
            Finding::MayBeOurs | Finding::Nothing => false,
        };
        let submission = self.reconciler.submission();
        // Without a token nothing shows that the action is not another principal's.
        let may_be_foreign = |row: &Row| is_nameless && row.record.requestor.as_deref().is_some_and(can_exclude);
        // The record with our generated id may appear later than a like record of another process, which has no id.
        let is_uncertain = rows.overflowed
            || rows.rows.iter().any(may_be_foreign)
            || !is_last && submission.has_generated_id()
            || self.reconciler.in_flight.has_twin(submission, self.reconciler.now());
        if is_uncertain && !by_generated_id && finding != Finding::Nothing {
            finding = Finding::MayBeOurs;
        }
        Found { rows, finding, by_generated_id }
    }

    fn may_be_ours_in(&self, row: &Row, filtered: bool) -> bool {
        // The names decide nothing here.
        may_be_ours(&self.reconciler.compare(&Names::default(), &self.window(), filtered, row))
    }
}

impl Searcher for LostSubmission {
    fn machine(&self) -> &str {
        &self.machine
    }

    /// The first attempt of a recovery is dated by a wall clock, perhaps of another computer. Its last list is so long that a wrong
    /// date does not hide its record.
    fn from(&self) -> Timestamp {
        let (window, reconciler) = (self.window(), &self.reconciler);
        let is_last = reconciler.now().elapsed >= self.limits.until;
        if is_last && reconciler.in_flight.is_recovery() { window.list_of_recovery_from() } else { window.list_from() }
    }

    fn may_be_ours(&self, row: &Row) -> bool {
        self.may_be_ours_in(row, false)
    }
}
