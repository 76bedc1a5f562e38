//! The request behind a method of the client.

use std::{any::type_name, fmt, time::Duration};

use bytes::Bytes;

use crate::{BoxFuture, DefenderClient, Error, client::call::Call};

/// A request whose response is read as a `T`. Nothing is sent before it is awaited.
///
/// Most methods send one HTTP request. The documentation of the others lists the requests that they send.
/// [`request`](Self::request) returns the first one.
///
/// ```no_run
/// use std::time::Duration;
///
/// # async fn example(defender: defender_actions::DefenderClient) -> Result<(), Box<dyn std::error::Error>> {
/// let tag = defender.machine("m1".parse()?).add_tag("under investigation").timeout(Duration::from_secs(30));
/// let http = tag.request()?; // a dry run: nothing is sent
/// println!("{} {}", http.method(), http.uri());
/// let machine = tag.await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent until this is awaited"]
pub struct Request<T> {
    client: DefenderClient,
    /// The first call, or the reason why it cannot be sent.
    first: Result<Call, Error>,
    run: Run<T>,
}

/// Makes the call, and the others that belong to it.
type Run<T> = Box<dyn FnOnce(DefenderClient, Call) -> BoxFuture<Result<T, Error>> + Send + Sync>;

impl<T> Request<T> {
    /// Creates a request from its first call and from the function that makes it. The call has the caller's timeout.
    pub(crate) fn new<F>(
        client: &DefenderClient,
        first: Result<Call, Error>,
        run: impl FnOnce(DefenderClient, Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        Self { client: client.clone(), first, run: Box::new(move |client, call| Box::pin(run(client, call))) }
    }

    /// Sets the time limit of the whole call, queue and retries included. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Ok(call) = &mut self.first {
            call.timeout = Some(timeout);
        }
        self
    }

    /// Returns the finished HTTP request. Nothing is sent. The request has no token, which is set when it is sent.
    ///
    /// # Errors
    ///
    /// [`Request`](crate::ErrorKind::Request), as from the await.
    pub fn request(&self) -> Result<http::Request<Bytes>, Error> {
        match &self.first {
            Ok(call) => call.request(self.client.inner()),
            Err(error) => Err(error.duplicate()),
        }
    }
}

impl<T: 'static> Request<T> {
    /// Sends the request: the same as awaiting it, as a future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`](crate::ErrorKind).
    pub fn send(self) -> impl Future<Output = Result<T, Error>> + Send + 'static {
        self.into_future()
    }
}

impl<T: 'static> IntoFuture for Request<T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        match self.first {
            Ok(call) => (self.run)(self.client, call),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }
}

impl<T> fmt::Debug for Request<T> {
    /// Shows neither the query nor the body, which may contain anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Request");
        match &self.first {
            Ok(call) => shown.field("call", &call.context()).field("timeout", &call.timeout),
            Err(error) => shown.field("error", error),
        };
        shown.field("response", &type_name::<T>()).finish_non_exhaustive()
    }
}
