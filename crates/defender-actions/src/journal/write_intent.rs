//! The layer that writes the intent of an action right before its request is sent.
//!
//! It stands between the permit of the quota, with the token, and the transport. What a crash leaves in the queue is not in the journal,
//! since it was certainly not sent.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{
    Clock, Error, ErrorKind, SendFuture, Transport,
    extensions::{self, Timeouts},
};
use futures_util::future::{Either, select};
use http::Request;

use super::{
    Journal,
    entry::{Entry, EntryKey, Holder, Intended},
    error::JournalError,
};
use crate::Intent;

/// Intent that is written before the first attempt of a call, in the extensions of its request.
#[derive(Clone)]
pub(crate) struct PendingIntent(Arc<Inner>);

struct Inner {
    journal: Arc<dyn Journal>,
    key: EntryKey,
    intent: Arc<Intent>,
    holder: Holder,
    lease: Duration,
    state: Mutex<State>,
}

/// State of the intent.
#[derive(Debug, Default)]
pub(crate) enum State {
    /// No attempt was sent.
    #[default]
    NotWritten,
    /// The intent is in the journal, and attempts may be sent.
    Written,
    /// The key has another entry.
    Existing(Box<Entry>),
    /// The journal failed.
    Failed(JournalError),
}

impl PendingIntent {
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        key: EntryKey,
        intent: Arc<Intent>,
        holder: Holder,
        lease: Duration,
    ) -> Self {
        Self(Arc::new(Inner { journal, key, intent, holder, lease, state: Mutex::default() }))
    }

    /// Returns the lease that the holder asks for.
    pub(crate) fn lease(&self) -> Duration {
        self.0.lease
    }

    /// Takes the state. It is [`State::NotWritten`] from then on.
    pub(crate) fn take(&self) -> State {
        std::mem::take(&mut *self.state())
    }

    fn is_written(&self) -> bool {
        matches!(*self.state(), State::Written)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the intent within this time, or asks for a further attempt if it is written. The error was never sent.
    async fn write(&self, clock: &dyn Clock, time: Option<Duration>) -> Result<(), Error> {
        let Inner { journal, key, intent, holder, lease, .. } = &*self.0;
        if self.is_written() {
            let allowed = within(clock, time, journal.may_resend(key)).await;
            return allowed.map_err(|error| {
                Error::new(ErrorKind::Request).context("the journal allows no further attempt").caused_by(error)
            });
        }
        let written = within(clock, time, journal.intend(key, intent, *holder, *lease)).await;
        let (state, why) = match written {
            Ok(Intended::New | Intended::Mine) => {
                *self.state() = State::Written;
                return Ok(());
            }
            Ok(Intended::Existing(entry)) => (State::Existing(entry), "the journal has an entry with this key"),
            Err(error) => (State::Failed(error), "the journal did not take the intent"),
        };
        *self.state() = state;
        // This kind is not sent again by itself.
        Err(Error::new(ErrorKind::Request).context(why))
    }
}

impl fmt::Debug for PendingIntent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingIntent").field("key", &self.0.key).finish_non_exhaustive()
    }
}

/// Longest time for which a call of this library waits for the journal, apart from the intent, which has the time of its request.
pub(crate) const CALL_WITHIN: Duration = Duration::from_secs(30);

/// Returns the output of a call of a journal, or an error if it takes longer than this time.
pub(crate) async fn within<T>(
    clock: &dyn Clock,
    time: Option<Duration>,
    call: impl Future<Output = Result<T, JournalError>>,
) -> Result<T, JournalError> {
    let Some(time) = time else { return call.await };
    match select(pin!(call), clock.sleep(time)).await {
        Either::Left((output, _)) => output,
        Either::Right(((), _)) => {
            Err(JournalError::new(format!("no response of the journal within {time:?}; check it")))
        }
    }
}

/// The layer. The time of the journal is a part of the time of the call, so that nothing is sent after it.
#[derive(Debug)]
pub(crate) struct WriteIntent<T> {
    inner: T,
    clock: Arc<dyn Clock>,
}

impl<T> WriteIntent<T> {
    pub(crate) fn new(inner: T, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for WriteIntent<T> {
    fn send<'a, 'f>(&'a self, mut request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let Some(pending) = request.extensions().get::<PendingIntent>().cloned() else {
            return self.inner.send(request);
        };
        Box::pin(async move {
            let times = extensions::of::<Timeouts, _>(&request).copied().unwrap_or_default();
            let began = self.clock.elapsed();
            pending.write(&*self.clock, times.total).await?;
            if let Some(total) = times.total {
                let left = total.saturating_sub(self.clock.elapsed().saturating_sub(began));
                request.extensions_mut().insert(times.total(left));
            }
            self.inner.send(request).await
        })
    }
}
