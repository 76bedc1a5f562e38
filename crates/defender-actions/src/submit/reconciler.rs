//! The outcome of a submission, where its response does not tell it plainly.

use std::{sync::Arc, time::Duration};

use defender_model::{ActionType, MachineAction};
use defender_transport::Clock;
use jiff::{SignedDuration, Timestamp};

use crate::{
    DefenderClient, Error, ErrorKind, Intent, Submitted, UnknownReason,
    client::{Inner, service_clock::Moment},
    list::List,
    submit::{
        look::{self, Candidates, Looker, Row},
        reconcile::{
            Accepted, Asked, Comparison, Finding, Names, Refusal, Window, accepted, find, may_be_ours, refused,
            was_pending,
        },
        registry::InFlight,
        submitted::{Expected, Origin},
    },
    wait::poll::PollPolicy,
};

/// A submission whose first attempt has left, or may have.
#[derive(Clone)]
pub(crate) struct Reconciler {
    pub(crate) client: DefenderClient,
    pub(crate) expected: Arc<Expected>,
    pub(crate) asking: Arc<InFlight>,
    pub(crate) first_attempt: Moment,
}

/// How long a lost response is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// End of the time in which the action can have been created.
    pub(crate) window_end: Moment,
    /// The last list is asked for at this time or later.
    pub(crate) until: SignedDuration,
    /// The caller sends again where nothing is found, so the last list must be of the machine and type and of nothing else.
    pub(crate) before_resend: bool,
}

impl Reconciler {
    fn inner(&self) -> &Inner {
        self.client.inner()
    }

    fn intent(&self) -> &Intent {
        &self.expected.intent
    }

    fn now(&self) -> Moment {
        Moment::now(&*self.inner().clock)
    }

    /// What is known of the submission and of `record`, to compare them.
    fn compare(&self, names: &Names, window: &Window, filtered: bool, row: &Row) -> Comparison {
        let id = &row.record.id;
        let is_readable = row.raw.is_none();
        let asked = Asked {
            intent: self.intent(),
            rule: &*self.expected.rule,
            names,
            window,
            filtered,
            seen_before: is_readable && self.asking.was_seen_before(id, self.first_attempt),
            claimed: is_readable && self.asking.is_claimed_by_another(id),
            has_rival: self.asking.has_rival(self.intent(), self.now()),
        };
        if is_readable { Comparison::of(&asked, &row.record) } else { Comparison::of_unreadable(&asked, &row.record) }
    }

    /// Judges the record of a 2xx response, with the names in the token.
    pub(crate) async fn accepted_by_name(&self, record: MachineAction) -> Result<Submitted, Error> {
        let names = self.inner().names().await;
        self.accepted(record, &names)
    }

    /// Judges the record of a 2xx response.
    ///
    /// `names` are needed only where they could tell the requestor apart: see [`can_exclude`](crate::submit::reconcile::can_exclude).
    pub(crate) fn accepted(&self, record: MachineAction, names: &Names) -> Result<Submitted, Error> {
        let inner = self.inner();
        let end = self.now().plus(inner.patience.grace);
        let window = inner.service_time.window(self.first_attempt, end);
        let row = Row { record, raw: None };
        let compared = self.compare(names, &window, false, &row);
        let record = row.record;
        match accepted(&compared, record.status.is_terminal()) {
            Accepted::Created if self.asking.claim(&record.id, self.now()) => {
                Ok(self.submitted(record, Origin::Created))
            }
            Accepted::Created | Accepted::Joined => {
                inner.saw(&record);
                Ok(self.submitted(record, Origin::Joined))
            }
            Accepted::Another => {
                inner.saw(&record);
                let error = Error::new(ErrorKind::OutcomeUnknown).context(self.intent().what());
                let error = error.unknown(self.intent().clone(), vec![record.clone()], UnknownReason::OtherRecord);
                Err(error.with_action(Some(record)))
            }
        }
    }

    /// Finds the action because of which an attempt was refused. `again` says that an earlier attempt may have taken effect.
    pub(crate) async fn refused(&self, refusal: Error, again: bool) -> Result<Submitted, Error> {
        let inner = self.inner();
        let (clock, names) = (Arc::clone(&inner.clock), inner.names().await);
        let until = self.now().plus(inner.patience.grace);
        // Each refused submission reads a list of its own, so it looks more rarely than one whose response was lost.
        let patience = PollPolicy { first: inner.patience.first.saturating_mul(5), ..inner.patience };
        let mut delays = patience.after_an_answer();
        loop {
            let is_last = self.now().elapsed >= until.elapsed;
            let window = inner.service_time.window(self.first_attempt, until);
            let is_candidate = |row: &Row| row.raw.is_none() && was_pending(&row.record, refusal.date());
            match look::own(&self.client, self.list(), is_candidate).await {
                Ok(Candidates { mut rows, .. }) => {
                    rows.sort_by_key(|row| std::cmp::Reverse(row.record.creation_date_time_utc));
                    let compared: Vec<_> = rows.iter().map(|row| self.compare(&names, &window, true, row)).collect();
                    let mut record = |index: usize| rows.swap_remove(index).record;
                    match refused(&compared) {
                        Refusal::Joined(index) => return Ok(self.submitted(record(index), Origin::Joined)),
                        Refusal::Conflict(index) | Refusal::InProgress(index) if again => {
                            let candidates = vec![record(index)];
                            return Err(self.refused_again(refusal, candidates, UnknownReason::MayBeOurs));
                        }
                        Refusal::Conflict(index) => {
                            let conflict = Error::new(ErrorKind::Conflict).context(self.intent().what());
                            return Err(conflict.with_action(Some(record(index))));
                        }
                        Refusal::InProgress(index) => return Err(refusal.with_action(Some(record(index)))),
                        Refusal::NotVisible if is_last && again => {
                            return Err(self.refused_again(refusal, Vec::new(), UnknownReason::NothingFound));
                        }
                        Refusal::NotVisible if is_last => return Err(refusal),
                        Refusal::NotVisible => {}
                    }
                }
                Err(error) if is_last || ends_search(&error) => {
                    if again {
                        let unknown = self.refused_again(refusal, Vec::new(), not_read(&error));
                        return Err(unknown.with_list_error(&error));
                    }
                    return Err(refusal.with_cause_if_none(error));
                }
                Err(_) => {}
            }
            clock.sleep(delays.next().min(self.left(until.elapsed))).await;
        }
    }

    /// Finds the action whose response was lost.
    pub(crate) async fn recover(&self, lost: Error, search: Search) -> Result<Submitted, Error> {
        let inner = self.inner();
        let clock = Arc::clone(&inner.clock);
        let looker = Arc::new(Lost {
            sending: self.clone(),
            machine: self.intent().machine_id.as_str().to_ascii_lowercase(),
            names: inner.names().await,
            window_end: search.window_end,
        });
        let place = inner.looks.join(Arc::clone(&looker) as Arc<dyn Looker>);
        let mut delays = inner.patience.after_an_answer();
        // What only the last list could not show is looked at a few times more.
        let mut last_looks = LAST_LOOKS;
        let mut waits_for_turn = inner.patience.at_most;
        loop {
            let now = self.now().elapsed;
            let is_last = now >= search.until;
            match self.look(&place, &looker, now, is_last, search).await {
                Ok(Found { rows, finding: Finding::Ours(index), .. }) => {
                    let mut rows = rows.rows;
                    let record = rows.swap_remove(index).record;
                    if self.asking.claim(&record.id, self.now()) {
                        return Ok(self.submitted(record, Origin::Recovered));
                    }
                    // Another submission was faster, this very moment.
                    if is_last {
                        return Err(self.unknown(lost, vec![record], UnknownReason::MayBeOurs));
                    }
                }
                Ok(Found { rows, finding: Finding::MayBeOurs, .. })
                    if is_last && last_looks > 0 && rows.rows.iter().any(|row| row.raw.is_some()) =>
                {
                    last_looks = last_looks.saturating_sub(1);
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
                Err(error) if ends_search(&error) || is_last && last_looks == 0 && !waits(&error, waits_for_turn) => {
                    return Err(self.unknown(lost, Vec::new(), not_read(&error)).with_list_error(&error));
                }
                // The grace does not run while a look waits in our own queue.
                Err(error) if is_last && waits(&error, waits_for_turn) => {
                    let turn = error.retry_after().unwrap_or_default().max(Duration::from_secs(1)).min(waits_for_turn);
                    waits_for_turn = waits_for_turn.saturating_sub(turn);
                    clock.sleep(turn).await;
                    continue;
                }
                Err(_) if is_last => last_looks = last_looks.saturating_sub(1),
                Ok(_) | Err(_) => {}
            }
            let left = self.left(search.until);
            let pause = if left.is_zero() { inner.patience.first } else { delays.next().min(left) };
            clock.sleep(pause).await;
        }
    }

    /// Looks once: at the shared list, and at one of the machine and type where the shared one does not do.
    async fn look(
        &self,
        place: &look::Place<'_>,
        looker: &Arc<Lost>,
        now: SignedDuration,
        is_last: bool,
        search: Search,
    ) -> Result<Found, Error> {
        // Without a `Date`, the shared list begins at a time of our own clock, which may be wrong by more than it reaches back.
        let is_conclusive = !search.before_resend && looker.window().clears_before.is_some();
        if !is_last || is_conclusive {
            let not_before = if is_last { now } else { SignedDuration::MIN };
            let rows = place.shared(&self.client, not_before).await?;
            let found = looker.judge(rows, false, is_last);
            // A row that states no machine or type can be anybody's; a list that is filtered by them tells.
            let is_clear = !found.rows.has_vague || found.by_generated_id;
            let is_open = !is_last && !matches!(found.finding, Finding::Ours(_));
            if is_clear || is_open {
                return Ok(found);
            }
        }
        let rows = look::own(&self.client, self.list(), |row| looker.may_be_ours_in(row, true)).await?;
        Ok(looker.judge(rows, true, is_last))
    }

    /// The list of the machine's actions of this type.
    fn list(&self) -> List<MachineAction> {
        let intent = self.intent();
        let action_type = ActionType::from(intent.action_type.as_str());
        let of_machine = MachineAction::MACHINE_ID.eq(&intent.machine_id);
        self.client.actions().filter(of_machine.and(MachineAction::ACTION_TYPE.eq(action_type)))
    }

    fn left(&self, until: SignedDuration) -> Duration {
        Duration::try_from(until.saturating_sub(self.now().elapsed)).unwrap_or_default()
    }

    /// An earlier attempt may have taken effect, so this refusal does not say that nothing happened.
    fn refused_again(&self, refusal: Error, candidates: Vec<MachineAction>, reason: UnknownReason) -> Error {
        self.unknown(
            Error::new(ErrorKind::OutcomeUnknown).context(self.intent().what()).caused_by(refusal),
            candidates,
            reason,
        )
    }

    fn unknown(&self, lost: Error, candidates: Vec<MachineAction>, reason: UnknownReason) -> Error {
        lost.unknown(self.intent().clone(), candidates, reason)
    }

    fn submitted(&self, action: MachineAction, origin: Origin) -> Submitted {
        Submitted::new(self.client.clone(), action, origin, Arc::clone(&self.expected))
    }
}

/// Lists that are read after the grace where the last one could not be read, or not whole.
const LAST_LOOKS: u8 = 4;

/// Whether another list would fail in the same way, so that the search ends with this one. Whatever else stands between
/// the client and the service may pass.
fn ends_search(error: &Error) -> bool {
    let is_final = matches!(
        error.kind(),
        ErrorKind::Unauthorized
            | ErrorKind::Forbidden
            | ErrorKind::Retired
            | ErrorKind::Credential
            | ErrorKind::Request
    );
    is_final && !error.is_retryable()
}

/// Whether a list was refused by our own queue, and its turn may be waited for.
fn waits(error: &Error, left: Duration) -> bool {
    error.kind() == ErrorKind::Throttled && error.never_sent() && !left.is_zero()
}

/// Why a list could not be read, for the outcome that stays unknown.
fn not_read(error: &Error) -> UnknownReason {
    if error.kind() == ErrorKind::Throttled { UnknownReason::QuotaExhausted } else { UnknownReason::NotReadable }
}

/// What one look found.
struct Found {
    rows: Candidates,
    finding: Finding,
    by_generated_id: bool,
}

/// A submission whose response was lost, among all that are looked for.
struct Lost {
    sending: Reconciler,
    machine: String,
    names: Arc<Names>,
    window_end: Moment,
}

impl Lost {
    fn window(&self) -> Window {
        self.sending.inner().service_time.window(self.sending.first_attempt, self.window_end)
    }

    fn judge(&self, rows: Candidates, filtered: bool, is_last: bool) -> Found {
        let window = self.window();
        let compare = |row: &Row| self.sending.compare(&self.names, &window, filtered, row);
        let compared: Vec<_> = rows.rows.iter().map(compare).collect();
        let mut finding = find(&compared);
        let by_generated_id = match finding {
            Finding::Ours(index) => compared.get(index).is_some_and(Comparison::has_our_generated_id),
            Finding::MayBeOurs | Finding::Nothing => false,
        };
        let intent = self.sending.intent();
        // The record with our generated id may be shown later than a like one of another process, which has none.
        let is_uncertain = rows.overflowed
            || !is_last && intent.has_generated_id()
            || self.sending.asking.has_twin(intent, self.sending.now());
        if is_uncertain && !by_generated_id && finding != Finding::Nothing {
            finding = Finding::MayBeOurs;
        }
        Found { rows, finding, by_generated_id }
    }
}

impl Lost {
    fn may_be_ours_in(&self, row: &Row, filtered: bool) -> bool {
        may_be_ours(&self.sending.compare(&self.names, &self.window(), filtered, row))
    }
}

impl Looker for Lost {
    fn machine(&self) -> &str {
        &self.machine
    }

    fn from(&self) -> Timestamp {
        self.window().list_from()
    }

    fn may_be_ours(&self, row: &Row) -> bool {
        self.may_be_ours_in(row, false)
    }
}
