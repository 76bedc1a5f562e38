//! The request of a submission, and the second one where the caller asks for it.

use std::{pin::pin, sync::Arc, time::Duration};

use defender_model::{ActionType, MachineAction, Platforms, read_json};
use defender_transport::Clock;
use futures_util::{
    TryStreamExt,
    future::{Either, select},
};

use crate::{
    DefenderClient, Error, ErrorKind, Intent, Submitted, UnknownReason,
    client::{
        Inner,
        call::{Call, JSON},
        service_clock::Moment,
    },
    machines::suitability::concerns,
    submit::{
        reconcile::{Names, can_exclude},
        reconciler::{Reconciler, Search},
        registry::InFlight,
        span::ActionSpan,
        submitted::Expected,
    },
};

/// A submission that is about to be sent.
pub(crate) struct Attempt {
    pub(crate) client: DefenderClient,
    pub(crate) expected: Arc<Expected>,
    pub(crate) request: Call,
    pub(crate) resend_if_lost: bool,
    /// Type of the action that must not be pending, if the caller asks for that.
    pub(crate) refuse_pending: Option<&'static str>,
    /// Platforms of the action, where the caller asks that the machine's record is read first and compared.
    pub(crate) check_machine: Option<Platforms>,
}

impl Attempt {
    /// Sends the request and finds the outcome. Gives the number of attempts with it.
    pub(crate) async fn run(self, telling: &ActionSpan) -> (Result<Submitted, Error>, u32) {
        let inner = self.client.inner();
        let total = self.request.timeout.unwrap_or(inner.total_timeout);
        let mut left = total;
        if self.refuse_pending.is_some() || self.check_machine.is_some() {
            let began = inner.clock.elapsed();
            if let Err(error) = Box::pin(self.check_first(total)).await {
                // Nothing of the action itself was sent.
                return (Err(error.not_sent()), 0);
            }
            left = total.saturating_sub(inner.clock.elapsed().saturating_sub(began));
        }
        let asking = Arc::new(inner.claimed.open(&self.expected.intent));
        let (outcome, attempts) = self.send(&asking, left, telling).await;
        if outcome.as_ref().err().is_none_or(|error| !error.is_outcome_unknown()) {
            asking.settle();
        }
        (outcome, attempts)
    }

    async fn send(
        &self,
        asking: &Arc<InFlight>,
        left: Duration,
        telling: &ActionSpan,
    ) -> (Result<Submitted, Error>, u32) {
        let inner = self.client.inner();
        let (mut attempts, mut first_attempt) = (0_u32, None);
        // The error of a first request that may have taken effect, or may yet.
        let mut doubt: Option<Error> = None;
        let outcome = loop {
            let now = Moment::now(&*inner.clock);
            let Some(timeout) = self.time_for_request(inner, now, left) else {
                break Err(doubt.take().unwrap_or_else(|| Error::new(ErrorKind::IntentExpired).context(self.what())));
            };
            let mut call = self.request.clone();
            call.timeout = timeout;
            let departure = asking.departure();
            let response = inner.call_noted(call, JSON, departure, read_json::<MachineAction>).await;
            let sending = Reconciler {
                client: self.client.clone(),
                expected: Arc::clone(&self.expected),
                asking: Arc::clone(asking),
                first_attempt: *first_attempt.get_or_insert(departure.first().unwrap_or(now)),
            };
            let error = match response {
                Ok((record, took)) => {
                    attempts = attempts.saturating_add(took);
                    // The token is read only where its names could tell the requestor apart.
                    break match record.requestor.as_deref() {
                        Some(requestor) if can_exclude(requestor) => Box::pin(sending.accepted_by_name(record)).await,
                        _ => sending.accepted(record, &Names::default()),
                    };
                }
                Err(error) => error,
            };
            attempts = attempts.saturating_add(error.attempts());
            let is_second = doubt.is_some();
            // The futures of what is rare are boxed, so that the usual one stays small.
            match error.kind() {
                ErrorKind::AlreadyInProgress => {
                    telling.looking(&error);
                    break Box::pin(sending.refused(error, is_second)).await;
                }
                // The service has taken the action, so that a second request would do it twice.
                ErrorKind::InvalidResponse => {
                    telling.looking(&error);
                    break Box::pin(sending.recover(error, Self::search(inner, asking, false))).await;
                }
                ErrorKind::OutcomeUnknown => {
                    telling.looking(&error);
                    let sends_again = self.resend_if_lost && !is_second;
                    let search = Self::search(inner, asking, sends_again);
                    match Box::pin(sending.recover(error, search)).await {
                        Err(unknown) if sends_again && unknown.reason() == Some(UnknownReason::NothingFound) => {
                            doubt = Some(unknown);
                            asking.again();
                        }
                        known => break known,
                    }
                }
                _ => break Err(error),
            }
        };
        let outcome = match (outcome, doubt) {
            // Whatever the second request ended in, it says nothing of the first.
            (Err(error), Some(doubt)) if !error.is_outcome_unknown() => {
                Err(doubt.caused_by(error).with_attempts(attempts, None))
            }
            (outcome, _) => outcome.map_err(|error| error.with_total_attempts(attempts)),
        };
        (outcome, attempts)
    }

    /// Time of the request at `now`: what is left of the call's, and no longer than the intent is valid. The inner `None` is
    /// the client's own time; the outer one says that the intent has expired.
    #[expect(clippy::option_option, reason = "both are named above")]
    fn time_for_request(&self, inner: &Inner, now: Moment, left: Duration) -> Option<Option<Duration>> {
        let latest = now.at_wall(self.expected.intent.latest()).elapsed;
        let valid = Duration::try_from(latest.saturating_sub(now.elapsed)).unwrap_or_default();
        let time = left.min(valid);
        if time.is_zero() {
            return None;
        }
        Some((time < inner.total_timeout || self.request.timeout.is_some()).then_some(time))
    }

    /// Notes that the response is lost, and gives how long it is looked for.
    fn search(inner: &Inner, asking: &InFlight, before_resend: bool) -> Search {
        asking.lost();
        let until = Moment::now(&*inner.clock).plus(inner.patience.grace);
        Search { window_end: until, until: until.elapsed, before_resend }
    }

    /// Looks at what the caller wants looked at before anything is sent, within the time of the call.
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
                let late = "the machine could not be looked at first within the time of the call; raise its timeout";
                Err(Error::new(ErrorKind::Interrupted).context(self.what()).caused_by(late))
            }
        }
    }

    /// Fails while an action of this type is pending on the machine.
    async fn refuse_pending(&self, action_type: &str, total: Duration) -> Result<(), Error> {
        let of_machine = MachineAction::MACHINE_ID.eq(&self.expected.intent.machine_id);
        let of_type = MachineAction::ACTION_TYPE.eq(ActionType::from(action_type));
        let list = self.client.actions().filter(of_machine.and(of_type)).timeout(total);
        let mut actions = list.stream();
        while let Some(action) = actions.try_next().await? {
            if !action.status.is_terminal() {
                return Err(Error::new(ErrorKind::Conflict).context(self.what()).with_action(Some(action)));
            }
        }
        Ok(())
    }

    /// Fails where the machine's record speaks against the action.
    async fn refuse_unsuitable(&self, platforms: Platforms, total: Duration) -> Result<(), Error> {
        let Intent { machine_id, action_type, .. } = &*self.expected.intent;
        let record = self.client.machine(machine_id.clone()).get().timeout(total).await?;
        let scope = self.expected.intent.body.get("IsolationType").and_then(serde_json::Value::as_str);
        let mut concerns = concerns((action_type, platforms), scope, &record);
        concerns.retain(|concern| !concern.is_caution());
        if concerns.is_empty() {
            return Ok(());
        }
        let concerns = concerns.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let error = Error::new(ErrorKind::UnsuitableMachine).context(self.what());
        Err(error.caused_by(concerns).with_machines(vec![record]))
    }

    fn what(&self) -> String {
        self.expected.intent.what()
    }
}
