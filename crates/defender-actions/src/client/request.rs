//! A call that is about to be made.

use std::{fmt, time::Duration};

use crate::{BoxFuture, Error};

/// A call that is about to be made, and answers with a `T`. Nothing is sent before it is awaited.
#[must_use = "nothing is sent until this is awaited"]
pub struct Ask<T> {
    timeout: Option<Duration>,
    run: Run<T>,
}

/// What is done at the await, in the time that it is given there.
type Run<T> = Box<dyn FnOnce(Option<Duration>) -> BoxFuture<Result<T, Error>> + Send>;

impl<T> Ask<T> {
    /// What is done at the await, in the time that it is given there.
    pub(crate) fn new<F>(run: impl FnOnce(Option<Duration>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        Self { timeout: None, run: Box::new(move |timeout| Box::pin(run(timeout))) }
    }

    /// How long the call may take, queue and resendings included. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Makes the call: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind).
    pub fn send(self) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        T: 'static,
    {
        (self.run)(self.timeout)
    }
}

impl<T> fmt::Debug for Ask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl<T> IntoFuture for Ask<T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        (self.run)(self.timeout)
    }
}
