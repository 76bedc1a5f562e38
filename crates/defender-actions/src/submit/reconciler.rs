//! The judgment of records: responses and refusals whose outcome is not obvious.

use std::{sync::Arc, time::Duration};

use defender_model::{ActionType, MachineAction};
use defender_transport::Clock;
use jiff::SignedDuration;

use crate::{
    DefenderClient, Error, ErrorKind, Intent, Submitted, UnknownReason,
    client::{Inner, service_clock::Moment},
    list::List,
    submit::{
        candidate_list::own_list,
        expected::Expected,
        origin::Origin,
        reconcile::{Accepted, Comparison, ComparisonInput, Names, Refusal, Window, accepted, refused, was_pending},
        record_facts::created,
        registry::InFlight,
        shared_search::{Candidates, Row},
        submission::Submission,
    },
    wait::poll::PollPolicy,
};

/// Submission whose first attempt was sent, or may have been sent.
#[derive(Clone)]
pub(crate) struct Reconciler {
    pub(crate) client: DefenderClient,
    pub(crate) expected: Arc<Expected>,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) first_attempt: Moment,
}

impl Reconciler {
    pub(crate) fn inner(&self) -> &Inner {
        self.client.inner()
    }

    pub(crate) fn submission(&self) -> &Submission {
        &self.expected.submission
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::now(&*self.inner().clock)
    }

    /// Compares a row with the submission.
    pub(crate) fn compare(&self, names: &Names, window: &Window, filtered: bool, row: &Row) -> Comparison {
        self.compare_record(names, window, filtered, &row.record, row.raw.is_none(), self.now())
    }

    fn compare_record(
        &self,
        names: &Names,
        window: &Window,
        filtered: bool,
        record: &MachineAction,
        is_readable: bool,
        now: Moment,
    ) -> Comparison {
        let id = &record.id;
        let input = ComparisonInput {
            submission: self.submission(),
            rule: &self.expected.rule,
            names,
            window,
            filtered,
            seen_before: is_readable && self.in_flight.was_seen_before(id, self.first_attempt),
            claimed: is_readable && self.in_flight.is_claimed_by_another(id),
            has_rival: self.in_flight.has_rival(self.submission(), now),
            is_recovery: self.in_flight.is_recovery(),
        };
        if is_readable { Comparison::of(&input, record) } else { Comparison::of_unreadable(&input, record) }
    }

    /// Judges the record of a 2xx response, with the names in the token.
    pub(crate) async fn accepted_by_name(&self, record: Box<MachineAction>) -> Result<Submitted, Error> {
        let names = self.inner().names().await.unwrap_or_default();
        self.accepted(record, &names)
    }

    /// Judges the record of a 2xx response.
    ///
    /// `names` are needed only if they can exclude the requestor: see [`can_exclude`](crate::submit::reconcile::can_exclude).
    pub(crate) fn accepted(&self, record: Box<MachineAction>, names: &Names) -> Result<Submitted, Error> {
        let inner = self.inner();
        let now = self.in_flight.send_times().responded().unwrap_or_else(|| self.now());
        let end = now.plus(inner.poll.visibility_timeout);
        let window = inner.service_time.window(self.first_attempt, end);
        let compared = self.compare_record(names, &window, false, &record, true, now);
        match accepted(&compared, record.status.is_terminal()) {
            Accepted::Created if self.in_flight.claim(&record.id, now) => Ok(self.submitted(record, Origin::Created)),
            Accepted::Created | Accepted::Joined => {
                inner.saw(std::slice::from_ref(&*record));
                Ok(self.submitted(record, Origin::Joined))
            }
            Accepted::Another => {
                inner.saw(std::slice::from_ref(&*record));
                let error = Error::new(ErrorKind::OutcomeUnknown).context(self.submission().context());
                let candidates = vec![(*record).clone()];
                let error = error.unknown(self.intent(), candidates, UnknownReason::OtherRecord);
                Err(error.with_action(Some(*record)))
            }
        }
    }

    /// Finds the action that caused a refusal. `is_second` means that an earlier attempt may have taken effect.
    pub(crate) async fn refused(&self, refusal: Error, is_second: bool) -> Result<Submitted, Error> {
        let inner = self.inner();
        let (clock, names) = (Arc::clone(&inner.clock), inner.names().await.unwrap_or_default());
        let until = self.now().plus(inner.poll.visibility_timeout);
        // Each refused submission reads its own list, so it reads less often than a search after a lost response.
        let poll = PollPolicy { first: inner.poll.first.saturating_mul(5), ..inner.poll };
        let mut delays = poll.after_response();
        loop {
            let is_last = self.now().elapsed >= until.elapsed;
            let window = inner.service_time.window(self.first_attempt, until);
            let is_candidate = |row: &Row| row.raw.is_none() && was_pending(&row.record, refusal.date());
            match own_list(&self.client, self.list(), is_candidate).await {
                Ok(Candidates { mut rows, .. }) => {
                    rows.sort_by_key(|row| std::cmp::Reverse(created(&row.record)));
                    let compared: Vec<_> = rows.iter().map(|row| self.compare(&names, &window, true, row)).collect();
                    let mut record = |index: usize| rows.swap_remove(index).record;
                    match refused(&compared) {
                        Refusal::Joined(index) => return Ok(self.submitted(record(index).into(), Origin::Joined)),
                        Refusal::Conflict(index) | Refusal::InProgress(index) if is_second => {
                            let candidates = vec![record(index)];
                            return Err(self.second_refusal(refusal, candidates, UnknownReason::MayBeOurs));
                        }
                        Refusal::Conflict(index) => {
                            let conflict = Error::new(ErrorKind::Conflict).context(self.submission().context());
                            return Err(conflict.with_action(Some(record(index))));
                        }
                        Refusal::InProgress(index) => return Err(refusal.with_action(Some(record(index)))),
                        Refusal::NotVisible if is_last && is_second => {
                            return Err(self.second_refusal(refusal, Vec::new(), UnknownReason::NothingFound));
                        }
                        Refusal::NotVisible if is_last => return Err(refusal),
                        Refusal::NotVisible => {}
                    }
                }
                Err(error) if is_last || ends_search(&error) => {
                    if is_second {
                        let unknown = self.second_refusal(refusal, Vec::new(), not_read(&error));
                        return Err(unknown.with_list_error(&error));
                    }
                    return Err(refusal.with_cause_if_none(error));
                }
                Err(_) => {}
            }
            clock.sleep(delays.next().min(self.left(until.elapsed))).await;
        }
    }

    /// Returns the list of the machine's actions of this type.
    pub(crate) fn list(&self) -> List<MachineAction> {
        let submission = self.submission();
        let action_type = ActionType::from(submission.action_type());
        let of_machine = MachineAction::MACHINE_ID.eq(submission.machine_id());
        self.client.actions().filter(of_machine.and(MachineAction::ACTION_TYPE.eq(action_type)))
    }

    pub(crate) fn left(&self, until: SignedDuration) -> Duration {
        Duration::try_from(until.saturating_sub(self.now().elapsed)).unwrap_or_default()
    }

    /// Returns the error of a refused second attempt. The first may have taken effect, so the refusal does not exclude an effect.
    fn second_refusal(&self, refusal: Error, candidates: Vec<MachineAction>, reason: UnknownReason) -> Error {
        self.unknown(
            Error::new(ErrorKind::OutcomeUnknown).context(self.submission().context()).caused_by(refusal),
            candidates,
            reason,
        )
    }

    pub(crate) fn unknown(&self, lost: Error, candidates: Vec<MachineAction>, reason: UnknownReason) -> Error {
        lost.unknown(self.intent(), candidates, reason)
    }

    /// Returns the intent for an error.
    fn intent(&self) -> Intent {
        self.inner().addressed(Intent::clone(self.submission().intent()))
    }

    pub(crate) fn submitted(&self, action: Box<MachineAction>, origin: Origin) -> Submitted {
        Submitted::new(self.client.clone(), action, origin, Arc::clone(&self.expected))
    }
}

/// Returns whether another list would fail in the same way, so that the search ends. All other faults between the client and the
/// service may be temporary.
pub(crate) fn ends_search(error: &Error) -> bool {
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

/// Returns the reason of an outcome that stays unknown because of this error of a list.
pub(crate) fn not_read(error: &Error) -> UnknownReason {
    if error.kind() == ErrorKind::Throttled { UnknownReason::QuotaExhausted } else { UnknownReason::NotReadable }
}
