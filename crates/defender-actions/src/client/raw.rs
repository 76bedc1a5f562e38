//! Calls that this library has no words for.

use std::{any::type_name, fmt, marker::PhantomData, time::Duration};

use bytes::Bytes;
use defender_model::read_json;
use defender_transport::extensions::Idempotency;
use http::{Extensions, Method, Request, Uri};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    BoxFuture, DefenderClient, Error, ErrorKind,
    client::{
        Inner,
        authorship::Content,
        call::{Call, JSON},
        limits::BodyLimit,
        operation::Operation,
    },
};

impl DefenderClient {
    /// A GET of a path of the API, such as `/api/machineactions?$top=1`, whose answer is read as a `T`.
    ///
    /// The path begins with the prefix, and may be a whole URL on the API's own host. Everything else is refused before anything
    /// is sent ([`Request`](ErrorKind::Request)): the token goes to the API and nowhere else. It keeps to the quota of the operation,
    /// and is sent again where it breaks, as other reads are. Of an answer without a body, `null` is read.
    ///
    /// ```no_run
    /// use serde_json::Value;
    ///
    /// # async fn example(defender: defender_actions::DefenderClient) -> Result<(), defender_actions::Error> {
    /// let count: Value = defender.get("/api/machineactions/$count").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get<T: DeserializeOwned>(&self, path: impl Into<String>) -> Raw<T> {
        Raw::new(self.clone(), Method::GET, path.into(), Ok(None))
    }

    /// A POST of `body`, as JSON, to a path of the API, whose answer is read as a `T`.
    ///
    /// The path is as for [`get`](Self::get). It is sent once. Where the answer is lost it is
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), and nobody looks for what became of it: for an action,
    /// [`perform`](crate::MachineHandle::perform) does.
    pub fn post<T: DeserializeOwned>(&self, path: impl Into<String>, body: &(impl Serialize + ?Sized)) -> Raw<T> {
        Raw::new(self.clone(), Method::POST, path.into(), serde_json::to_vec(body).map(Some))
    }
}

/// A call that this library has no words for. Nothing is sent before it is awaited.
#[must_use = "nothing is sent until this is awaited"]
pub struct Raw<T> {
    client: DefenderClient,
    method: Method,
    path: String,
    body: Result<Option<Vec<u8>>, serde_json::Error>,
    timeout: Option<Duration>,
    answer: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Raw<T> {
    fn new(
        client: DefenderClient,
        method: Method,
        path: String,
        body: Result<Option<Vec<u8>>, serde_json::Error>,
    ) -> Self {
        Self { client, method, path, body, timeout: None, answer: PhantomData }
    }

    /// How long the call may take, queue and resendings included. Default: the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The request as it would be sent, without sending it. It bears no token, which is put on at the departure.
    ///
    /// # Errors
    ///
    /// [`Request`](ErrorKind::Request), as awaiting this would give.
    pub fn request(self) -> Result<Request<Bytes>, Error> {
        let (client, call) = self.into_call()?;
        call.into_request(client.inner(), JSON)
    }

    /// Makes the call: the same as awaiting this, as a plain future that can be spawned or joined.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`].
    pub fn send(self) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        T: 'static,
    {
        let call = self.into_call();
        async move {
            let (client, call) = call?;
            let nothing_is_null = |body: &[u8]| read_json(if body.is_empty() { b"null" } else { body });
            let mark = |extensions: &mut Extensions| {
                extensions.insert(Content::Unknown);
            };
            client.inner().call_marked(call, mark, nothing_is_null).await
        }
    }

    fn into_call(self) -> Result<(DefenderClient, Call), Error> {
        let Self { client, method, path, body, timeout, answer: _ } = self;
        let refused = || Error::new(ErrorKind::Request).context(format!("a {method} of the API"));
        let path = client.inner().below(&path, OtherHost::Refused).map_err(|why| refused().caused_by(why))?;
        let body = body.map_err(|source| refused().caused_by(source))?;
        // What a raw call asks twice for is not known, nor how large its response is.
        let idempotency = if method.is_safe() { Idempotency::Idempotent } else { Idempotency::NonIdempotent };
        let known = Operation::at(&method, path.split('?').next().unwrap_or_default(), client.inner().actions());
        let operation = Operation { idempotency, read: BodyLimit::Entity, ..known };
        let call = Call { operation, path, timeout, body };
        Ok((client, call))
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for Raw<T> {
    type Output = Result<T, Error>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<T> fmt::Debug for Raw<T> {
    /// Without the query and the body, which may hold anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw")
            .field("method", &self.method)
            .field("path", &self.path.split('?').next().unwrap_or_default())
            .field("answer", &type_name::<T>())
            .finish_non_exhaustive()
    }
}

/// What is done with a link to another host than the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherHost {
    /// It is an error.
    Refused,
    /// Its path and query are asked of the API's own host: the service links to hosts of its own.
    Replaced,
}

impl Inner {
    /// The path and query of a link of the API, below the prefix; or why it is none.
    pub(crate) fn below(&self, link: &str, other_host: OtherHost) -> Result<String, &'static str> {
        let uri: Uri = link.parse().map_err(|_| "it is not a URL")?;
        if uri.authority().is_some() && other_host == OtherHost::Refused && !self.is_ours(&uri) {
            return Err("it is not on the API's host");
        }
        let prefix = self.prefix();
        let lower = uri.path().to_ascii_lowercase();
        let below = lower.strip_prefix(&prefix.to_ascii_lowercase()).unwrap_or_default();
        let leaves = ["/../", "/./", "%2e", "%2f", "%5c", "//", "\\"].iter().any(|hidden| below.contains(hidden));
        if !below.starts_with('/') || leaves || below.ends_with("/..") || below.ends_with("/.") {
            return Err("it leaves the API's prefix");
        }
        let kept = uri.path().len().saturating_sub(below.len());
        Ok(uri.path_and_query().and_then(|whole| whole.as_str().get(kept..)).unwrap_or_default().to_owned())
    }

    fn is_ours(&self, uri: &Uri) -> bool {
        let ours: Option<Uri> = self.base.parse().ok();
        let host = |uri: &Uri| (uri.host().map(str::to_ascii_lowercase), uri.port_u16().unwrap_or(443));
        let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        uri.scheme_str() == Some("https") && plain && ours.is_some_and(|ours| host(&ours) == host(uri))
    }
}
