//! The layer that writes the intent of an action right before its request is sent.
//!
//! It stands between the permit of the quota, with the token, and the transport. What a crash leaves in the queue is not in the journal,
//! since it was certainly not sent.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use defender_transport::{Error, ErrorKind, SendFuture, Transport};
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

    /// Takes the state. It is [`State::NotWritten`] from then on.
    pub(crate) fn take(&self) -> State {
        std::mem::take(&mut *self.state())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the intent. The error was never sent.
    async fn write(&self) -> Result<(), Error> {
        let Inner { journal, key, intent, holder, lease, .. } = &*self.0;
        let (state, why) = match journal.intend(key, intent, *holder, *lease).await {
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

/// The layer.
#[derive(Debug)]
pub(crate) struct WriteIntent<T> {
    inner: T,
}

impl<T> WriteIntent<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for WriteIntent<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let pending = request.extensions().get::<PendingIntent>();
        let Some(pending) = pending.filter(|pending| !matches!(*pending.state(), State::Written)).cloned() else {
            return self.inner.send(request);
        };
        Box::pin(async move {
            pending.write().await?;
            self.inner.send(request).await
        })
    }
}
