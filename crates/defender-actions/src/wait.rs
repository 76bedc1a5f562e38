//! Waiting until an action has ended.

use std::{sync::Arc, time::Duration};

use defender_model::{ActionId, ActionStatus, MachineAction};
use futures_util::{
    Stream,
    future::{Either, select},
    stream,
};

use crate::{ActionHandle, BoxFuture, DefenderClient, Error, ErrorKind, outcome::GRACE};

/// The first pause between two reads; each later one is half as long again, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a wait goes on unless it is told otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3_600);

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
    patience: Duration,
}

impl Wait {
    pub(crate) fn new(client: DefenderClient, id: ActionId, last: Option<MachineAction>) -> Self {
        Self { client, id, last, patience: PATIENCE }
    }

    /// How long to wait before giving up. Default: 1 h. The service itself gives up on a device that does not answer after
    /// about three days.
    pub fn at_most(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Waits: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// - [`NotSucceeded`](ErrorKind::NotSucceeded): the action ended as `Failed`, `TimeOut` or `Cancelled`; the error
    ///   carries its record.
    /// - [`StillRunning`](ErrorKind::StillRunning): the patience ran out first; the error carries the record as last seen,
    ///   and the last trouble in reading it as its source. The action goes on.
    /// - Any error of a read that another read would give again, such as [`Forbidden`](ErrorKind::Forbidden), with the
    ///   record as last seen; [`NotFound`](ErrorKind::NotFound) only once it has lasted for two minutes.
    pub fn send(self) -> impl Future<Output = Result<MachineAction, Error>> + Send + 'static {
        self.run()
    }

    async fn run(self) -> Result<MachineAction, Error> {
        let mut polling = Polling::new(self);
        loop {
            if let Some(action) = polling.last.take_if(|action| action.status.is_terminal()) {
                return ended(action);
            }
            polling.read().await?;
        }
    }

    /// The record each time it changes, from what is known now to the end. The last is `Ok` only when the action succeeded;
    /// every error is the last.
    pub fn updates(self) -> impl Stream<Item = Result<MachineAction, Error>> + Send + 'static {
        stream::unfold(Some((Polling::new(self), None::<MachineAction>)), |state| async move {
            let (mut polling, shown) = state?;
            loop {
                let news = polling.last.as_ref().filter(|last| shown.as_ref() != Some(last)).cloned();
                match news {
                    Some(action) if action.status.is_terminal() => return Some((ended(action), None)),
                    Some(action) => return Some((Ok(action.clone()), Some((polling, Some(action))))),
                    None => {}
                }
                if let Err(error) = polling.read().await {
                    return Some((Err(error), None));
                }
            }
        })
    }
}

/// Reading a record again and again.
struct Polling {
    client: DefenderClient,
    id: ActionId,
    patience: Duration,
    /// The record as last read.
    last: Option<MachineAction>,
    started: Duration,
    /// When it was last read, counted from the start.
    seen: Duration,
    /// Why the last read failed, if it did.
    trouble: Option<Error>,
    pauses: Pauses,
}

impl Polling {
    fn new(wait: Wait) -> Self {
        let Wait { client, id, last, patience } = wait;
        let started = client.inner().clock.elapsed();
        // What was just answered needs no reading yet; what is known by its id only does.
        let pauses = if last.is_some() { Pauses::after_an_answer() } else { Pauses::at_once() };
        Self { client, id, patience, last, started, seen: Duration::ZERO, trouble: None, pauses }
    }

    /// Waits its time and reads, until it has read or is at an end.
    async fn read(&mut self) -> Result<(), Error> {
        loop {
            let clock = Arc::clone(&self.client.inner().clock);
            let started = self.started;
            let passed = || clock.elapsed().saturating_sub(started);
            let pause = self.pauses.next();
            let left = self.patience.saturating_sub(passed());
            if pause >= left && !pause.is_zero() {
                clock.sleep(left).await;
                return Err(self.out_of_patience());
            }
            clock.sleep(pause).await;
            let left = self.patience.saturating_sub(passed());
            let handle = ActionHandle::new(self.client.clone(), self.id.clone());
            let read = match select(handle.get().into_future(), clock.sleep(left)).await {
                Either::Left((read, _)) => read,
                Either::Right(((), _)) => return Err(self.out_of_patience()),
            };
            match read {
                Ok(action) => {
                    self.seen = passed();
                    self.trouble = None;
                    self.last = Some(action);
                    return Ok(());
                }
                Err(error) if passes(&error, passed().saturating_sub(self.seen)) => self.trouble = Some(error),
                Err(error) => return Err(error.about(self.last.take())),
            }
        }
    }

    fn out_of_patience(&mut self) -> Error {
        out_of_patience(&self.id, self.patience, self.last.take(), self.trouble.take())
    }
}

/// How long to wait between reads: half as long again each time, up to the longest.
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) fn after_an_answer() -> Self {
        Self(FIRST_PAUSE)
    }

    pub(crate) fn at_once() -> Self {
        Self(Duration::ZERO)
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause.saturating_mul(3) / 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        pause
    }
}

/// Whether another read may go better than the one that ended in `error`, `unseen` after the record was last seen.
pub(crate) fn passes(error: &Error, unseen: Duration) -> bool {
    error.is_retryable() || error.is_not_found() && unseen < GRACE
}

pub(crate) fn ended(action: MachineAction) -> Result<MachineAction, Error> {
    if action.status == ActionStatus::Succeeded {
        return Ok(action);
    }
    let why = match action.error_h_result {
        Some(result) if result != 0 => format!(" with 0x{:08X}", result.cast_unsigned()),
        _ => String::new(),
    };
    let what = format!("action {} ({}) ended as {}{why}", action.id, action.action_type, action.status);
    Err(Error::new(ErrorKind::NotSucceeded).context(what).about(Some(action)))
}

pub(crate) fn out_of_patience(
    id: &ActionId,
    patience: Duration,
    last: Option<MachineAction>,
    trouble: Option<Error>,
) -> Error {
    let how = last.as_ref().map_or("never seen", |action| action.status.as_str());
    let what = format!("action {id} is {how} after {patience:?}");
    let error = Error::new(ErrorKind::StillRunning).context(what).about(last);
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
