//! Waiting until an action has ended.

pub(crate) mod all;
pub(crate) mod poll;

use std::{sync::Arc, time::Duration};

use defender_model::{ActionId, ActionStatus, CommandRecord, MachineAction, sanitize_line};
use futures_util::{
    future::{Either, select},
    stream,
};

use crate::{
    ActionHandle, BoxFuture, BoxStream, DefenderClient, Error, ErrorKind,
    error::word,
    submit::{identity::Identity, submitted::Expected},
    wait::poll::{PollDelays, PollPolicy},
};

/// A wait until an action has ended. Nothing is sent before it is awaited.
///
/// It reads the record after 2 s and then at growing intervals, up to 30 s. What passes does not end it: a connection that
/// breaks, a service in trouble, a quota that is used up, a record that is not there yet. Dropping it stops the reading and
/// nothing else.
#[derive(Clone, Debug)]
#[must_use = "nothing is waited for until this is awaited"]
pub struct Wait {
    client: DefenderClient,
    id: ActionId,
    last: Option<MachineAction>,
    identity: Identity,
    patience: PollPolicy,
}

impl Wait {
    pub(crate) fn new(client: DefenderClient, id: ActionId, last: Option<MachineAction>) -> Self {
        let patience = client.inner().patience;
        Self { client, id, last, identity: Identity::Unknown, patience }
    }

    /// Compares each record with what was submitted.
    pub(crate) fn expecting(mut self, expected: Arc<Expected>) -> Self {
        self.identity = Identity::Submitted(expected);
        self
    }

    /// How long to wait before giving up. Default: the client's, 1 h. The service itself gives up on a device that does not
    /// answer after about three days.
    pub fn at_most(mut self, at_most: Duration) -> Self {
        self.patience.at_most = at_most;
        self
    }

    /// The first pause between two reads, which grows by half with each, and the longest. Default: the client's, 2 s and 30 s.
    pub fn poll(mut self, first: Duration, longest: Duration) -> Self {
        self.patience.first = first;
        self.patience.longest = longest;
        self
    }

    /// Waits: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// `Ok` says that the action succeeded. Of a live response session it does not say that each command did: see
    /// [`MachineAction::failed_commands`].
    ///
    /// # Errors
    ///
    /// - [`ActionFailed`](ErrorKind::ActionFailed): the action ended as `Failed`, `TimeOut` or `Cancelled`; the error
    ///   carries its record.
    /// - [`WaitTimeout`](ErrorKind::WaitTimeout): the patience ran out first; the error carries the record as last seen,
    ///   and the last trouble in reading it as its cause. The action goes on.
    /// - Any error of a read that another read would give again, such as [`Forbidden`](ErrorKind::Forbidden), with the
    ///   record as last seen; [`NotFound`](ErrorKind::NotFound) only once it has lasted for two minutes.
    /// - [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) with [`OtherRecord`](crate::UnknownReason::OtherRecord): the record came
    ///   to state another machine or type than before, or than what was submitted, or other particulars. The error has it.
    pub fn send(self) -> impl Future<Output = Result<MachineAction, Error>> + Send + 'static {
        self.run()
    }

    async fn run(self) -> Result<MachineAction, Error> {
        let mut polling = Polling::new(self);
        loop {
            if let Some(action) = polling.last.take_if(|action| action.status.is_terminal()) {
                polling.identity.check(&action)?;
                return ended(action);
            }
            polling.read().await?;
        }
    }

    /// The record each time it changes, from what is known now to the end. The last is `Ok` only when the action succeeded;
    /// every error is the last.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn updates(self) -> BoxStream<Result<MachineAction, Error>> {
        let updates = stream::unfold(Some((Polling::new(self), None::<MachineAction>)), |state| async move {
            let (mut polling, shown) = state?;
            loop {
                let news = polling.last.as_ref().filter(|last| shown.as_ref() != Some(last)).cloned();
                match news {
                    Some(action) if action.status.is_terminal() => {
                        let ended = polling.identity.check(&action).and_then(|()| ended(action));
                        return Some((ended, None));
                    }
                    Some(action) => return Some((Ok(action.clone()), Some((polling, Some(action))))),
                    None => {}
                }
                if let Err(error) = polling.read().await {
                    return Some((Err(error), None));
                }
            }
        });
        Box::pin(updates)
    }
}

/// Reading a record again and again.
struct Polling {
    client: DefenderClient,
    id: ActionId,
    patience: PollPolicy,
    /// The record as last read.
    last: Option<MachineAction>,
    identity: Identity,
    started: Duration,
    /// When it was last read, counted from the start.
    seen: Duration,
    /// Why the last read failed, if it did.
    trouble: Option<Error>,
    pauses: PollDelays,
}

impl Polling {
    fn new(wait: Wait) -> Self {
        let Wait { client, id, last, identity, patience } = wait;
        let started = client.inner().clock.elapsed();
        // What was just answered needs no reading yet; what is known by its id only does.
        let pauses = if last.is_some() { patience.after_an_answer() } else { patience.at_once() };
        Self { client, id, patience, last, identity, started, seen: Duration::ZERO, trouble: None, pauses }
    }

    /// Waits its time and reads, until it has read or is at an end.
    async fn read(&mut self) -> Result<(), Error> {
        loop {
            let clock = Arc::clone(&self.client.inner().clock);
            let started = self.started;
            let passed = || clock.elapsed().saturating_sub(started);
            let pause = self.pauses.next();
            let left = self.patience.at_most.saturating_sub(passed());
            if pause >= left && !pause.is_zero() {
                clock.sleep(left).await;
                return Err(self.out_of_patience());
            }
            clock.sleep(pause).await;
            let left = self.patience.at_most.saturating_sub(passed());
            let handle = ActionHandle::new(self.client.clone(), self.id.clone());
            let read = match select(handle.get().into_future(), clock.sleep(left)).await {
                Either::Left((read, _)) => read,
                Either::Right(((), _)) => return Err(self.out_of_patience()),
            };
            match read {
                Ok(action) => {
                    self.identity.check(&action)?;
                    self.seen = passed();
                    self.trouble = None;
                    self.last = Some(action);
                    return Ok(());
                }
                Err(error) if passes(&error, passed().saturating_sub(self.seen), self.patience.grace) => {
                    self.trouble = Some(error);
                }
                Err(error) => return Err(error.with_action_id(&self.id).with_action(self.last.take())),
            }
        }
    }

    fn out_of_patience(&mut self) -> Error {
        out_of_patience(&self.id, self.patience.at_most, self.last.take(), self.trouble.take())
    }
}

/// Whether another read may go better than the one that ended in `error`, `unseen` after the record was last seen.
pub(crate) fn passes(error: &Error, unseen: Duration, grace: Duration) -> bool {
    error.is_retryable() || error.is_not_found() && unseen < grace
}

/// So much of a name from outside is shown, in characters.
const SHOWN: usize = 100;

pub(crate) fn ended(action: MachineAction) -> Result<MachineAction, Error> {
    if action.status == ActionStatus::Succeeded {
        return Ok(action);
    }
    let why = match action.error_h_result {
        Some(result) if result != 0 => format!(" with 0x{:08X}", result.cast_unsigned()),
        _ => String::new(),
    };
    let by = |who: &str| format!(", cancelled by {}", sanitize_line(who, SHOWN));
    let cancelled = action.cancellation_requestor.as_deref().map(by).unwrap_or_default();
    let commands = commands(&action);
    let (action_type, status) = (word(action.action_type.as_str()), word(action.status.as_str()));
    let what = format!("action {} ({action_type}) ended as {status}{why}{cancelled}{commands}", action.id);
    Err(Error::new(ErrorKind::ActionFailed).context(what).with_action(Some(action)))
}

/// How far the commands of a live response session came: one that was cancelled may have done all that it was asked for.
fn commands(action: &MachineAction) -> String {
    let told = |command: &CommandRecord| {
        let what = command.command.as_ref().and_then(|command| command.command_type.as_deref()).unwrap_or("a command");
        format!("{} {}", word(what), word(command.command_status.as_str()))
    };
    match action.commands.as_deref() {
        None | Some([]) => String::new(),
        Some(commands) => format!("; its commands: {}", commands.iter().map(told).collect::<Vec<_>>().join(", ")),
    }
}

pub(crate) fn out_of_patience(
    id: &ActionId,
    patience: Duration,
    last: Option<MachineAction>,
    trouble: Option<Error>,
) -> Error {
    let how = last.as_ref().map_or_else(|| "never seen".to_owned(), |action| word(action.status.as_str()));
    let what = format!("action {id} is {how} after {patience:?}");
    let error = Error::new(ErrorKind::WaitTimeout).context(what).with_action_id(id).with_action(last);
    match trouble {
        Some(trouble) => error.caused_by(trouble),
        None => error,
    }
}

impl IntoFuture for Wait {
    type Output = Result<MachineAction, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
