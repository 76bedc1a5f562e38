//! Waiting until an action has ended.

use std::time::Duration;

use defender_model::{ActionId, ActionStatus, MachineAction};
use futures_util::future::{Either, select};

use crate::{ActionHandle, BoxFuture, DefenderClient, Error, ErrorKind, outcome::GRACE};

/// The first pause between two reads; each later one is half as long again, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long a wait goes on unless it is told otherwise.
const PATIENCE: Duration = Duration::from_secs(3_600);

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
        let Self { client, id, mut last, patience } = self;
        let clock = &client.inner().clock;
        let handle = ActionHandle::new(client.clone(), id.clone());
        let started = clock.elapsed();
        let passed = || clock.elapsed().saturating_sub(started);
        let mut seen = Duration::ZERO;
        let mut trouble = None;
        // What was just answered needs no reading yet; what is known by its id only does.
        let mut pause = if last.is_some() { FIRST_PAUSE } else { Duration::ZERO };
        loop {
            if let Some(action) = last.take_if(|action| action.status.is_terminal()) {
                return ended(action);
            }
            let left = patience.saturating_sub(passed());
            if pause >= left && !pause.is_zero() {
                clock.sleep(left).await;
                return Err(out_of_patience(&id, patience, last, trouble));
            }
            clock.sleep(pause).await;
            pause = (pause.saturating_mul(3) / 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            let left = patience.saturating_sub(passed());
            let read = match select(handle.get().into_future(), clock.sleep(left)).await {
                Either::Left((read, _)) => read,
                Either::Right(((), _)) => return Err(out_of_patience(&id, patience, last, trouble)),
            };
            match read {
                Ok(action) => {
                    seen = passed();
                    trouble = None;
                    last = Some(action);
                }
                Err(error) if passes(&error, passed().saturating_sub(seen)) => trouble = Some(error),
                Err(error) => return Err(error.about(last)),
            }
        }
    }
}

/// Whether another read may go better than the one that ended in `error`, `unseen` after the record was last seen.
fn passes(error: &Error, unseen: Duration) -> bool {
    error.is_retryable() || error.is_not_found() && unseen < GRACE
}

fn ended(action: MachineAction) -> Result<MachineAction, Error> {
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

fn out_of_patience(id: &ActionId, patience: Duration, last: Option<MachineAction>, trouble: Option<Error>) -> Error {
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
