//! Waits until an action has ended: one in this file, many in `all` and a growing set in `set` by the cycles of `cycle`, their delays in
//! `poll`, their reports in `report`.

pub(crate) mod all;
pub(crate) mod awaited;
mod cycle;
pub(crate) mod poll;
mod report;
pub(crate) mod set;

use std::{sync::Arc, time::Duration};

use defender_model::{ActionId, ActionStatus, CommandRecord, MachineAction, sanitize_line};
use futures_util::{
    future::{Either, select},
    stream,
};

use crate::{
    ActionHandle, BoxFuture, BoxStream, DefenderClient, Error, ErrorKind,
    error::word,
    journal::journal_entry::JournalEntry,
    submit::{identity::Identity, record},
    wait::poll::{PollDelays, PollPolicy},
};

impl ActionHandle {
    /// Waits until the action has ended. Returns `Ok` only if the action succeeded.
    pub fn wait(&self) -> Wait {
        Wait::new(self.client.clone(), self.id.clone(), None)
    }
}

/// Wait until an action has ended. Nothing is sent before it is awaited.
///
/// The wait reads the record after 2 s and then at growing intervals, up to 30 s. Temporary faults do not end it: a broken
/// connection, an error of the service, an exhausted quota, a record that is not visible yet. Dropping it stops the reads and has no
/// effect on the action.
///
/// ```no_run
/// use std::time::Duration;
///
/// use defender_actions::{DefenderClient, ErrorKind, model::ActionId};
/// use futures_util::StreamExt;
///
/// # async fn example(defender: DefenderClient, id: ActionId) -> Result<(), defender_actions::Error> {
/// let half_an_hour = Duration::from_secs(1_800);
/// match defender.action(id.clone()).wait().at_most(half_an_hour).await {
///     Ok(done) => println!("{} succeeded", done.id),
///     Err(error) if error.kind() == ErrorKind::WaitTimeout => println!("still running: {error}"),
///     Err(error) => return Err(error), // such as ActionFailed, with the record
/// }
///
/// let mut updates = defender.action(id).wait().updates();
/// while let Some(update) = updates.next().await {
///     println!("{}", update?.status); // Pending, InProgress, Succeeded
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is waited for until this is awaited"]
pub struct Wait {
    client: DefenderClient,
    id: ActionId,
    last: Option<MachineAction>,
    identity: Identity,
    policy: PollPolicy,
    /// Entry of the journal that gets the last record.
    entry: Option<JournalEntry>,
}

impl Wait {
    pub(crate) fn new(client: DefenderClient, id: ActionId, last: Option<MachineAction>) -> Self {
        let policy = client.inner().poll;
        Self { client, id, last, identity: Identity::Unknown, policy, entry: None }
    }

    /// Compares each record with what is known of the action.
    pub(crate) fn identified(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// Writes the last record to an entry of the journal.
    pub(crate) fn finishing(mut self, entry: Option<JournalEntry>) -> Self {
        self.entry = entry;
        self
    }

    /// Sets the time limit of the wait. Default: the client's, 1 h. The service itself gives up after about three days if the device
    /// does not respond.
    pub fn at_most(mut self, at_most: Duration) -> Self {
        self.policy.at_most = at_most;
        self
    }

    /// Sets the first delay between two reads, which grows by half with each read, and the longest. Default: the client's, 2 s and 30 s.
    pub fn poll(mut self, first: Duration, longest: Duration) -> Self {
        self.policy.first = first;
        self.policy.longest = longest;
        self
    }

    /// Waits: the same as awaiting this, as a future that can be spawned or joined.
    ///
    /// `Ok` means that the action succeeded. Single commands of a live response session may have failed nevertheless: see
    /// [`MachineAction::failed_commands`].
    ///
    /// # Errors
    ///
    /// - [`ActionFailed`](ErrorKind::ActionFailed): the action ended as `Failed`, `TimeOut` or `Cancelled`; the error has its record.
    /// - [`WaitTimeout`](ErrorKind::WaitTimeout): the time limit of the wait passed. The error has the last known record, and the error
    ///   of the last read as its cause. The action is still running.
    /// - Any error of a read that another read would return again, such as [`Forbidden`](ErrorKind::Forbidden), with the last known
    ///   record; [`NotFound`](ErrorKind::NotFound) only after two minutes.
    /// - [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) with [`OtherRecord`](crate::UnknownReason::OtherRecord): the record states
    ///   another machine or type than an earlier record or the submission, or other particulars. The error has the record.
    pub fn send(self) -> impl Future<Output = Result<MachineAction, Error>> + Send + 'static {
        self.run()
    }

    async fn run(self) -> Result<MachineAction, Error> {
        let mut polling = Polling::new(self);
        let outcome = polling.run().await;
        polling.report(&outcome);
        outcome
    }

    /// Returns the record each time it changes, beginning with the last known record. The last item is `Ok` only if the action
    /// succeeded; every error is the last item.
    #[must_use = "nothing is sent until the stream is polled"]
    pub fn updates(self) -> BoxStream<Result<MachineAction, Error>> {
        let updates = stream::unfold(Some((Polling::new(self), None::<MachineAction>)), |state| async move {
            let (mut polling, returned) = state?;
            loop {
                let changed = polling.last.as_ref().filter(|last| returned.as_ref() != Some(last)).cloned();
                match changed {
                    Some(action) if action.status.is_terminal() => {
                        let outcome = polling.end(action).await;
                        polling.report(&outcome);
                        return Some((outcome, None));
                    }
                    Some(action) => return Some((Ok(action.clone()), Some((polling, Some(action))))),
                    None => {}
                }
                if let Err(error) = polling.read().await {
                    let outcome = Err(error);
                    polling.report(&outcome);
                    return Some((outcome, None));
                }
            }
        });
        Box::pin(updates)
    }
}

/// Repeated reads of a record.
struct Polling {
    client: DefenderClient,
    id: ActionId,
    policy: PollPolicy,
    /// Record of the last successful read.
    last: Option<MachineAction>,
    identity: Identity,
    started: Duration,
    /// Time of the last successful read, from the start of the wait.
    last_seen: Duration,
    /// Error of the last read, if it failed.
    last_error: Option<Error>,
    delays: PollDelays,
    entry: Option<JournalEntry>,
}

impl Polling {
    fn new(wait: Wait) -> Self {
        let Wait { client, id, last, identity, policy, entry } = wait;
        let started = client.inner().clock.elapsed();
        // A record of the response needs no read yet. Without a record, the first read is immediate.
        let delays = if last.is_some() { policy.after_response() } else { policy.immediate() };
        Self { client, id, policy, last, identity, started, last_seen: Duration::ZERO, last_error: None, delays, entry }
    }

    /// Ends the wait with the record of an ended action.
    async fn end(&mut self, action: MachineAction) -> Result<MachineAction, Error> {
        self.identity.check(&action)?;
        if let Some(entry) = &self.entry {
            entry.finish(&*self.client.inner().clock, &action).await;
        }
        ended(action)
    }

    /// Reads until the action has ended.
    async fn run(&mut self) -> Result<MachineAction, Error> {
        loop {
            if let Some(action) = self.last.take_if(|action| action.status.is_terminal()) {
                return self.end(action).await;
            }
            self.read().await?;
        }
    }

    fn report(&self, outcome: &Result<MachineAction, Error>) {
        report::ended(self.client.inner(), &self.id, self.started, outcome);
    }

    /// Waits for the delay and reads, until a read succeeds or the wait ends.
    async fn read(&mut self) -> Result<(), Error> {
        loop {
            let clock = Arc::clone(&self.client.inner().clock);
            let started = self.started;
            let elapsed = || clock.elapsed().saturating_sub(started);
            let delay = self.delays.next();
            let left = self.policy.at_most.saturating_sub(elapsed());
            if delay >= left && !delay.is_zero() {
                clock.sleep(left).await;
                return Err(self.timeout_error());
            }
            clock.sleep(delay).await;
            let left = self.policy.at_most.saturating_sub(elapsed());
            let request = record::read(&self.client, &self.id);
            let result = match select(request.into_future(), clock.sleep(left)).await {
                Either::Left((result, _)) => result,
                Either::Right(((), _)) => return Err(self.timeout_error()),
            };
            match result {
                Ok(action) => {
                    self.identity.check(&action)?;
                    self.last_seen = elapsed();
                    self.last_error = None;
                    self.last = Some(action);
                    return Ok(());
                }
                Err(error)
                    if is_temporary(
                        &error,
                        elapsed().saturating_sub(self.last_seen),
                        self.policy.visibility_timeout,
                    ) =>
                {
                    self.last_error = Some(error);
                }
                Err(error) => return Err(error.with_action_id(&self.id).with_action(self.last.take())),
            }
        }
    }

    fn timeout_error(&mut self) -> Error {
        timeout_error(&self.id, self.policy.at_most, self.last.take(), self.last_error.take())
    }
}

/// Returns whether a later read may succeed after this error. The record was last visible `unseen` ago.
pub(crate) fn is_temporary(error: &Error, unseen: Duration, visibility_timeout: Duration) -> bool {
    error.is_retryable() || error.is_not_found() && unseen < visibility_timeout
}

/// Length limit of a name of the service in errors, in characters.
const MAX_NAME: usize = 100;

/// Returns the record of an ended action, or the error of an action that did not succeed.
pub(crate) fn ended(action: MachineAction) -> Result<MachineAction, Error> {
    if action.status == ActionStatus::Succeeded {
        return Ok(action);
    }
    let result = match action.error_h_result {
        Some(result) if result != 0 => format!(" with 0x{:08X}", result.cast_unsigned()),
        _ => String::new(),
    };
    let by = |requestor: &str| format!(", cancelled by {}", sanitize_line(requestor, MAX_NAME));
    let cancelled = action.cancellation_requestor.as_deref().map(by).unwrap_or_default();
    let commands = commands(&action);
    let (action_type, status) = (word(action.action_type.as_str()), word(action.status.as_str()));
    let context = format!("action {} ({action_type}) ended as {status}{result}{cancelled}{commands}", action.id);
    Err(Error::new(ErrorKind::ActionFailed).context(context).with_action(Some(action)))
}

/// Returns the states of a session's commands: a cancelled live response session may have completed its commands.
fn commands(action: &MachineAction) -> String {
    let state = |command: &CommandRecord| {
        let name = command.command.as_ref().and_then(|command| command.command_type.as_deref()).unwrap_or("a command");
        format!("{} {}", word(name), word(command.command_status.as_str()))
    };
    match action.commands.as_deref() {
        None | Some([]) => String::new(),
        Some(commands) => format!("; its commands: {}", commands.iter().map(state).collect::<Vec<_>>().join(", ")),
    }
}

/// Returns the error of a wait whose time limit has passed.
pub(crate) fn timeout_error(
    id: &ActionId,
    limit: Duration,
    last: Option<MachineAction>,
    last_error: Option<Error>,
) -> Error {
    let status = last.as_ref().map_or_else(|| "never seen".to_owned(), |action| word(action.status.as_str()));
    let context = format!("action {id} is {status} after {limit:?}");
    let error = Error::new(ErrorKind::WaitTimeout).context(context).with_action_id(id).with_action(last);
    match last_error {
        Some(cause) => error.caused_by(cause),
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
