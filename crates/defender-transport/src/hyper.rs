//! The wire: hyper's pooled client over rustls, HTTP/1.1 and HTTP/2.

use std::{
    error::Error as StdError,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Uri,
    header::{Entry, USER_AGENT},
    uri::Authority,
};
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection, HttpConnector},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::ClientConfig;
use tower_service::Service;

use crate::{
    Body, Clock, Error, ErrorKind, HyperTransportBuilder, PlainHttp, Transport,
    dial::{BoxError, Dial, Dialing, Stream},
    transport::Sending,
};

/// What Microsoft's services call the id of one try.
const REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// How long a server may be silent while a request waits before it is asked whether it is there, and how long the answer may
/// take: together less than the 30 s that the head of an answer has.
const PING: Duration = Duration::from_secs(10);

/// The wire on hyper and rustls: a pool of connections, HTTP/2 where the server offers it.
///
/// Clones share the pool. It must be used inside a tokio runtime. It speaks https only, unless
/// [`plain_http`](HyperTransportBuilder::plain_http) allows more.
///
/// hyper-util sends a request again by itself in one case: a pooled connection that turned out to be closed before any
/// byte of the request was written. That is safe for a request with an effect.
///
/// Each try carries an id of its own in the header `client-request-id`, unless the request has one.
///
/// ```no_run
/// use defender_transport::{HyperTransport, Roots};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let wire = HyperTransport::builder()
///     .roots(Roots::pem(std::fs::read("company-ca.pem")?)?)
///     .application("contoso-soar/2.1")
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HyperTransport {
    client: Client<Connector, Full<Bytes>>,
    user_agent: HeaderValue,
    plain_http: PlainHttp,
}

/// What a wire is made of.
pub(crate) struct Parts {
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) user_agent: HeaderValue,
    pub(crate) plain_http: PlainHttp,
    pub(crate) connect_timeout: Duration,
    pub(crate) pool_idle: Duration,
}

impl HyperTransport {
    /// A wire with every default.
    ///
    /// # Errors
    ///
    /// As [`HyperTransportBuilder::build`].
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// A wire to be set up.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::default()
    }

    pub(crate) fn of(parts: Parts) -> Self {
        let (user_agent, plain_http) = (parts.user_agent.clone(), parts.plain_http);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(parts.pool_idle)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            // Over HTTP/2 all requests share a connection, and one that fell silent would take each of them to its timeout.
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PING)
            .build(Connector(Arc::new(parts)));
        Self { client, user_agent, plain_http }
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").field("user_agent", &self.user_agent).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for HyperTransport {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> Sending<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        let mut request = request.map(Full::new);
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        if let Entry::Vacant(entry) = request.headers_mut().entry(REQUEST_ID)
            && let Some(id) = fresh_id()
        {
            entry.insert(id);
        }
        let uri = request.uri();
        let host = match (uri.scheme_str(), uri.authority().cloned()) {
            (Some("https"), Some(host)) => host,
            (Some("http"), Some(host)) if self.plain_http.allows(&host) => host,
            _ => return refuse("its URL must be absolute and begin with https://"),
        };
        if host.as_str().contains('@') {
            // A password in a URL would go into logs and errors, and a server never sees it.
            return refuse("its URL must not hold a user or a password");
        }
        let exchange = self.client.request(request);
        Box::pin(async move {
            match exchange.await {
                Ok(response) => Ok(response.map(|body| Body::new(FromWire(body)))),
                Err(error) => Err(classify(error, &host)),
            }
        })
    }
}

/// Makes the connections of a wire: bytes, and TLS over them, all within the time for a connection.
#[derive(Clone)]
struct Connector(Arc<Parts>);

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<Stream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let parts = &self.0;
        let mut connecting = HttpsConnector::from((Beneath(Arc::clone(parts)), Arc::clone(&parts.tls))).call(to);
        let (limit, mut patience) = (parts.connect_timeout, parts.clock.sleep(parts.connect_timeout));
        Box::pin(poll_fn(move |context| {
            if let Poll::Ready(connection) = connecting.as_mut().poll(context) {
                return Poll::Ready(connection);
            }
            ready!(patience.as_mut().poll(context));
            Poll::Ready(Err(format!("there was no connection within {limit:?}").into()))
        }))
    }
}

/// What TLS is spoken over.
struct Beneath(Arc<Parts>);

impl Service<Uri> for Beneath {
    type Response = TokioIo<Stream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let parts = Arc::clone(&self.0);
        Box::pin(async move {
            let stream = parts.dial.dial(&to).await?;
            // The name was allowed, and may have led elsewhere.
            let is_plain = to.scheme_str() == Some("http");
            if is_plain && stream.peer.is_some_and(|peer| !parts.plain_http.allows_address(peer)) {
                return Err("its name leads to an address where plain http may not go".into());
            }
            Ok(TokioIo::new(stream))
        })
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if self.speaks_http_2 { connected.negotiated_h2() } else { connected }
    }
}

/// The network itself.
pub(crate) struct Tcp(HttpConnector);

impl Tcp {
    /// TCP, where several addresses of a name share `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false); // The scheme has been seen to before.
        tcp.set_connect_timeout(Some(limit));
        // With Nagle's algorithm on, the two small writes of an HTTP/2 POST wait 40 ms for each other.
        tcp.set_nodelay(true);
        Self(tcp)
    }
}

impl Dial for Tcp {
    fn dial(&self, to: &Uri) -> Dialing {
        let connecting = self.0.clone().call(to.clone());
        Box::pin(async move {
            let tcp = connecting.await?.into_inner();
            let peer = tcp.peer_addr()?.ip();
            Ok(Stream::new(tcp).to(Some(peer)))
        })
    }
}

fn refuse<'f>(why: &str) -> Sending<'f> {
    Box::pin(std::future::ready(Err(Error::new(ErrorKind::Request).context(why))))
}

/// An id of this one try, by which a server's log and ours can be brought together: a random UUID.
fn fresh_id() -> Option<HeaderValue> {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let random = fastrand::u128(..);
    // The version is 4, and the variant that of RFC 9562.
    let id = random & !(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let mut digits = (0_u32..32).rev().filter_map(|place| DIGITS.get(usize::try_from(id >> (4 * place) & 0xF).ok()?));
    let mut text = [b'-'; 36];
    for (place, byte) in text.iter_mut().enumerate() {
        if !matches!(place, 8 | 13 | 18 | 23) {
            *byte = *digits.next()?;
        }
    }
    let mut id = HeaderValue::from_bytes(&text).ok()?;
    // HTTP/2 does not remember what is marked so, in the place of headers that come again.
    id.set_sensitive(true);
    Some(id)
}

/// Says of hyper's error whether the request can have been processed.
fn classify(error: hyper_util::client::legacy::Error, host: &Authority) -> Error {
    if error.is_connect() {
        return Error::new(ErrorKind::Connect).context(format!("to {host}")).caused_by(error);
    }
    let told = Error::new(ErrorKind::Interrupted).context(format!("by {host}"));
    // Nothing but this is certain, and what is not certain may have been processed.
    let told = if was_never_processed(&error) { told.before_sending() } else { told };
    told.caused_by(error)
}

/// Whether a cause says so itself: hyper, of a request that never left the connection's queue, or an HTTP/2 server, of a
/// stream that it refused.
///
/// A GOAWAY says it too, of streams above its last; but by the time its error comes here, it is not told from the one with
/// which every stream ends when the connection does, so it is not taken for certain.
fn was_never_processed(error: &(dyn StdError + 'static)) -> bool {
    let of_hyper = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
    let of_h2 = error.downcast_ref::<h2::Error>().is_some_and(|error| {
        error.is_reset() && error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
    });
    of_hyper || of_h2 || error.source().is_some_and(was_never_processed)
}

/// A body as hyper gives it, with our error.
struct FromWire(Incoming);

impl HttpBody for FromWire {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.0)
            .poll_frame(context)
            .map_err(|source| Error::new(ErrorKind::Interrupted).context("inside the answer's body").caused_by(source))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
