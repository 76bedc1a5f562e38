//! The transport itself: one request over the pool of its host.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request,
    header::{Entry, USER_AGENT},
};
use tokio::runtime;
use uuid::{Builder, Uuid};

use super::{
    PlainHttp,
    body::{ChunkedBody, HyperBody},
    failure::{classify, needs_http_1},
    parts::Parts,
    pool::Clients,
    proxy::Rules,
};
use crate::{Body, Error, ErrorKind, Transport, extensions::SendState, transport::SendFuture};

/// Header in which Microsoft's services expect the ID of one attempt.
const REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// Time limit of a connection on this machine's own link.
const LINK_LOCAL: Duration = Duration::from_secs(3);

/// The transport on hyper and rustls: a pool of connections, HTTP/2 where the server offers it.
///
/// Clones share the pool. It must be used inside a tokio runtime; elsewhere it returns an error that says so. Each runtime has
/// a pool of its own, since a connection lives in the runtime that opened it, and makes no progress while that is idle. It
/// speaks https only, unless [`plain_http`](crate::HyperTransportBuilder::plain_http) allows more.
///
/// A server that demands HTTP/1.1, or whose HTTP/2 cannot be read, gets HTTP/1.1 from then on. A server that sends
/// nothing for 6 s, though requests wait for it and it is pinged, gets further requests over a new connection.
///
/// hyper-util retries a request by itself in one case: a pooled connection that turned out to be closed before any
/// byte of the request was written. That is safe for a request with an effect.
///
/// Each attempt has an ID of its own in the header `client-request-id`, unless the request has one.
///
/// ```no_run
/// use defender_transport::{HyperTransport, Roots};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = HyperTransport::builder()
///     .roots(Roots::pem(std::fs::read("company-ca.pem")?)?)
///     .application("contoso-soar/2.1")
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HyperTransport {
    clients: Arc<Clients>,
    parts: Arc<Parts>,
}

impl HyperTransport {
    /// Another transport like this one, for the endpoints that give out the identity of this machine: plain http to this machine
    /// and to its own link is allowed, as by [`PlainHttp::LinkLocal`], and no proxy is used for anything. It shares no
    /// connection with this one, and a connection is opened within 3 s or not at all, since nothing on a machine's own link is
    /// further away.
    #[must_use]
    pub fn link_local(&self) -> Self {
        let parts = Parts::clone(&self.parts);
        let connect_timeout = parts.connect_timeout.min(LINK_LOCAL);
        Self::of(Parts { plain_http: PlainHttp::LinkLocal, proxy: Rules::default(), connect_timeout, ..parts })
    }

    pub(super) fn of(parts: Parts) -> Self {
        let parts = Arc::new(parts);
        Self { clients: Arc::new(Clients::of(Arc::clone(&parts))), parts }
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").field("user_agent", &self.parts.user_agent).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for HyperTransport {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        match runtime::Handle::try_current() {
            Ok(runtime) => self.begin(request, runtime.id()),
            // It may be polled inside of one.
            Err(_) => Box::pin(async move {
                match runtime::Handle::try_current() {
                    Ok(runtime) => self.begin(request, runtime.id()).await,
                    Err(_) => {
                        refuse("it can be sent inside a tokio runtime only; call from `#[tokio::main]` or `block_on`")
                            .await
                    }
                }
            }),
        }
    }
}

impl HyperTransport {
    fn begin(&self, request: Request<Bytes>, runtime: runtime::Id) -> SendFuture<'_> {
        let (mut head, body) = request.into_parts();
        head.headers.entry(USER_AGENT).or_insert_with(|| self.parts.user_agent.clone());
        if let Entry::Vacant(entry) = head.headers.entry(REQUEST_ID)
            && let Some(id) = fresh_id()
        {
            entry.insert(id);
        }
        let host = match (head.uri.scheme_str(), head.uri.authority().cloned()) {
            (Some("https"), Some(host)) => host,
            (Some("http"), Some(host)) if self.parts.plain_http.allows(&host) => host,
            _ => return refuse("its URL must be absolute and begin with https://"),
        };
        if host.as_str().contains('@') {
            // A password in a URL would go into logs and errors, and a server never sees it.
            return refuse("its URL must not hold a user or a password");
        }
        // A request without a body may be processed by its head alone, whose sending nobody reports.
        let state = (!body.is_empty()).then(|| head.extensions.remove::<SendState>().unwrap_or_default());
        if let Some(state) = &state {
            state.wait();
        }
        let (pool, waiting) = self.clients.pool(runtime, &host);
        let body = ChunkedBody::new(body, state.clone());
        let exchange = self.clients.client(&pool, &host).request(Request::from_parts(head, body));
        let mut given_up = GivenUp(state);
        Box::pin(async move {
            let outcome = exchange.await;
            drop(waiting);
            let state = given_up.0.take();
            match outcome {
                Ok(response) => {
                    let version = response.version();
                    Ok(response.map(|body| Body::from(HyperBody::new(body, version))))
                }
                Err(error) => {
                    if needs_http_1(&error) {
                        self.clients.downgrade(&host);
                    }
                    // A connection that breaks may have taken the head with it, though the body has not left: a server counts
                    // such a request, so nothing is certain but the error's own statement.
                    let _never_left = state.is_some_and(|state| state.give_up());
                    Err(classify(error, &host))
                }
            }
        })
    }
}

/// A request whose exchange may be dropped. If it has not been sent by then, it never will be.
struct GivenUp(Option<SendState>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        let _never_left = self.0.as_ref().is_some_and(SendState::give_up);
    }
}

fn refuse<'f>(why: &str) -> SendFuture<'f> {
    Box::pin(std::future::ready(Err(Error::new(ErrorKind::Request).context(why))))
}

/// ID of one attempt, which relates a server's log to ours: a random UUID.
fn fresh_id() -> Option<HeaderValue> {
    let id = Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    let mut id = HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())).ok()?;
    // HTTP/2 does not index a header that is marked so among the headers that come again.
    id.set_sensitive(true);
    Some(id)
}
