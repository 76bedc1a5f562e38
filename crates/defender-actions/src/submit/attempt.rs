//! The loop over the requests of a submission: the first, and the second that the caller allows.

use std::{pin::pin, sync::Arc, time::Duration};

use defender_model::{ActionType, MachineAction, Platforms};
use defender_transport::Clock;
use futures_util::{
    TryStreamExt,
    future::{Either, select},
};

use crate::{
    DefenderClient, Error, ErrorKind, Intent, Submitted, UnknownReason,
    client::{Inner, call::Call, service_clock::Moment},
    machines::suitability::suitability_issues,
    submit::{
        expected::Expected,
        reconcile::{Names, can_exclude},
        reconciler::Reconciler,
        registry::InFlight,
        search::SearchLimits,
        span::ActionSpan,
    },
};

/// Submission before its first request.
pub(crate) struct Attempt {
    pub(crate) client: DefenderClient,
    pub(crate) expected: Arc<Expected>,
    pub(crate) request: Call,
    /// Start of the submission.
    pub(crate) began: Moment,
    pub(crate) resend_if_lost: bool,
    /// Type of the inverse action that must not be pending, if the caller requested the check.
    pub(crate) refuse_pending: Option<&'static str>,
    /// Platforms of the action, if the caller requested a check of the machine's record.
    pub(crate) check_machine: Option<Platforms>,
}

impl Attempt {
    /// Sends the request and finds the outcome. Returns the number of attempts as well.
    pub(crate) async fn run(&self, span: &ActionSpan) -> (Result<Submitted, Error>, u32) {
        let inner = self.client.inner();
        let total = self.request.timeout.unwrap_or(inner.total_timeout);
        let (mut left, mut now) = (total, self.began);
        if self.refuse_pending.is_some() || self.check_machine.is_some() {
            let started = inner.clock.elapsed();
            if let Err(error) = Box::pin(self.check_first(total)).await {
                // The action itself was not sent.
                return (Err(error.not_sent()), 0);
            }
            left = total.saturating_sub(inner.clock.elapsed().saturating_sub(started));
            now = Moment::now(&*inner.clock);
        }
        let in_flight = Arc::new(inner.submissions.open(&self.expected));
        self.send(&in_flight, (now, left), span).await
    }

    async fn send(
        &self,
        in_flight: &Arc<InFlight>,
        (mut now, left): (Moment, Duration),
        span: &ActionSpan,
    ) -> (Result<Submitted, Error>, u32) {
        let inner = self.client.inner();
        let mut attempts = 0_u32;
        // Error of a first request that may have taken effect, or may still take effect.
        let mut first_unknown: Option<Error> = None;
        let outcome = loop {
            let Some(timeout) = self.time_for_request(inner, now, left) else {
                break Err(first_unknown
                    .take()
                    .unwrap_or_else(|| Error::new(ErrorKind::IntentExpired).context(self.context())));
            };
            let note = in_flight.note();
            let response = inner.call_counted::<MachineAction>(&self.request, timeout, note).await;
            let reconciler = Reconciler {
                client: self.client.clone(),
                expected: Arc::clone(&self.expected),
                in_flight: Arc::clone(in_flight),
                first_attempt: note.send_times.first().unwrap_or(now),
            };
            let error = match response {
                Ok((record, attempts_of_call)) => {
                    attempts = attempts.saturating_add(attempts_of_call);
                    // The token is read only if its names can exclude the requestor.
                    break match record.requestor.as_deref() {
                        Some(requestor) if can_exclude(requestor) => {
                            Box::pin(reconciler.accepted_by_name(record)).await
                        }
                        _ => reconciler.accepted(record, &Names::default()),
                    };
                }
                Err(error) => error,
            };
            attempts = attempts.saturating_add(error.attempts());
            let is_second = first_unknown.is_some();
            // The futures of rare outcomes are boxed, so that the usual future stays small.
            match error.kind() {
                ErrorKind::AlreadyInProgress => {
                    span.searching(&error);
                    break Box::pin(reconciler.refused(error, is_second)).await;
                }
                // The service has accepted the action, so that a second request would perform it twice.
                ErrorKind::InvalidResponse => {
                    span.searching(&error);
                    break Box::pin(reconciler.recover(error, Self::search_limits(inner, in_flight, false))).await;
                }
                ErrorKind::OutcomeUnknown => {
                    span.searching(&error);
                    let may_resend = self.resend_if_lost && !is_second;
                    let limits = Self::search_limits(inner, in_flight, may_resend);
                    match Box::pin(reconciler.recover(error, limits)).await {
                        Err(unknown) if may_resend && unknown.reason() == Some(UnknownReason::NothingFound) => {
                            first_unknown = Some(unknown);
                            in_flight.resend();
                            now = Moment::now(&*inner.clock);
                        }
                        outcome => break outcome,
                    }
                }
                _ => break Err(error),
            }
        };
        // A first request without an outcome may still take effect, whatever the second did.
        let is_settled =
            first_unknown.is_none() && outcome.as_ref().err().is_none_or(|error| !error.is_outcome_unknown());
        if is_settled {
            in_flight.settle();
        }
        let outcome = match (outcome, first_unknown) {
            // An error of the second request does not show the outcome of the first.
            (Err(error), Some(first_unknown)) if !error.is_outcome_unknown() => {
                Err(first_unknown.caused_by(error).with_attempts(attempts, None))
            }
            (outcome, _) => outcome.map_err(|error| error.with_total_attempts(attempts)),
        };
        (outcome, attempts)
    }

    /// Returns the timeout of a request at `now`: the remaining time of the call, and at most the remaining validity of the intent.
    /// The inner `None` stands for the client's timeout. The outer `None` means that the intent has expired.
    #[expect(clippy::option_option, reason = "the comment explains both")]
    fn time_for_request(&self, inner: &Inner, now: Moment, left: Duration) -> Option<Option<Duration>> {
        let valid = self.expected.submission.latest().duration_since(now.wall);
        let valid = Duration::try_from(valid).unwrap_or_default();
        let time = left.min(valid);
        if time.is_zero() {
            return None;
        }
        Some((time < inner.total_timeout || self.request.timeout.is_some()).then_some(time))
    }

    /// Records that the response is lost, and returns the limits of the search.
    fn search_limits(inner: &Inner, in_flight: &InFlight, before_resend: bool) -> SearchLimits {
        in_flight.lost();
        let until = Moment::now(&*inner.clock).plus(inner.poll.visibility_timeout);
        SearchLimits { window_end: until, until: until.elapsed, before_resend }
    }

    /// Makes the checks that the caller requested before the request, within the time of the call.
    async fn check_first(&self, total: Duration) -> Result<(), Error> {
        let clock = Arc::clone(&self.client.inner().clock);
        let checks = pin!(async {
            if let Some(pending) = self.refuse_pending {
                self.refuse_pending(pending, total).await?;
            }
            if let Some(platforms) = self.check_machine {
                self.refuse_unsuitable(platforms, total).await?;
            }
            Ok(())
        });
        match select(checks, clock.sleep(total)).await {
            Either::Left((checked, _)) => checked,
            Either::Right(((), _)) => {
                let late = "the checks before the action took longer than the call may take; raise `.timeout(..)`";
                Err(Error::new(ErrorKind::Interrupted).context(self.context()).caused_by(late))
            }
        }
    }

    /// Fails while an action of this type is pending on the machine.
    async fn refuse_pending(&self, action_type: &str, total: Duration) -> Result<(), Error> {
        let of_machine = MachineAction::MACHINE_ID.eq(self.expected.submission.machine_id());
        let of_type = MachineAction::ACTION_TYPE.eq(ActionType::from(action_type));
        let list = self.client.actions().filter(of_machine.and(of_type)).timeout(total);
        let mut actions = list.stream();
        while let Some(action) = actions.try_next().await? {
            if !action.status.is_terminal() {
                return Err(Error::new(ErrorKind::Conflict).context(self.context()).with_action(Some(action)));
            }
        }
        Ok(())
    }

    /// Fails if the machine's record does not suit the action.
    async fn refuse_unsuitable(&self, platforms: Platforms, total: Duration) -> Result<(), Error> {
        let Intent { machine_id, action_type, body, .. } = &**self.expected.submission.intent();
        let record = self.client.machine(machine_id.clone()).get().timeout(total).await?;
        let scope = body.get("IsolationType").and_then(serde_json::Value::as_str);
        let mut issues = suitability_issues((action_type, platforms), scope, &record);
        issues.retain(|issue| !issue.is_caution());
        if issues.is_empty() {
            return Ok(());
        }
        let issues = issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let error = Error::new(ErrorKind::UnsuitableMachine).context(self.context());
        Err(error.caused_by(issues).with_machines(vec![record]))
    }

    fn context(&self) -> String {
        self.expected.submission.context()
    }
}
