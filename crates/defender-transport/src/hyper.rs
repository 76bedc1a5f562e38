//! The wire: hyper's pooled client over rustls, HTTP/1.1 and HTTP/2.

use std::{
    error::Error as StdError,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request,
    header::{Entry, USER_AGENT},
};
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use crate::{
    Body, Error, ErrorKind, Transport,
    tls::{self, Crypto, Roots},
    transport::Sending,
};

/// What Microsoft's services call the id of one try.
const REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// The wire on hyper and rustls: a pool of connections, HTTP/2 where the server offers it.
///
/// Clones share the pool. It must be used inside a tokio runtime. It speaks https only.
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
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    user_agent: HeaderValue,
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
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").field("user_agent", &self.user_agent).finish_non_exhaustive()
    }
}

/// Sets up a [`HyperTransport`].
#[derive(Clone, Debug)]
#[must_use = "nothing is made until `build`"]
pub struct HyperTransportBuilder {
    roots: Roots,
    crypto: Crypto,
    application: Option<String>,
    connect_timeout: Duration,
    pool_idle: Duration,
}

impl Default for HyperTransportBuilder {
    fn default() -> Self {
        Self {
            roots: Roots::default(),
            crypto: Crypto::default(),
            application: None,
            connect_timeout: Duration::from_secs(10),
            pool_idle: Duration::from_secs(60),
        }
    }
}

impl HyperTransportBuilder {
    /// Whom to trust. Default: the platform.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// Which cryptography to use. Default: [`Crypto::Auto`].
    pub fn crypto(mut self, crypto: Crypto) -> Self {
        self.crypto = crypto;
        self
    }

    /// The application's own part of the `User-Agent`, such as `contoso-soar/2.1`, put before ours.
    pub fn application(mut self, application: impl Into<String>) -> Self {
        self.application = Some(application.into());
        self
    }

    /// How long name resolution and the TCP connection may take together, for each address tried. Default: 10 s.
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// How long an unused connection is kept. Default: 60 s.
    pub fn pool_idle(mut self, pool_idle: Duration) -> Self {
        self.pool_idle = pool_idle;
        self
    }

    /// Makes the wire. No connection is opened yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Request`], and the message says which: there is no crypto provider, the platform's roots cannot be
    /// read, or the application's name has a byte that no header may have.
    pub fn build(self) -> Result<HyperTransport, Error> {
        let own = concat!("defender-rs/", env!("CARGO_PKG_VERSION"));
        let agent = self.application.map_or_else(|| own.to_owned(), |application| format!("{application} {own}"));
        let user_agent = HeaderValue::try_from(agent).map_err(|source| {
            Error::new(ErrorKind::Request)
                .context("the application's name cannot stand in a `User-Agent` header; use printable ASCII")
                .caused_by(source)
        })?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false); // The scheme is checked by the https connector around it.
        tcp.set_connect_timeout(Some(self.connect_timeout));
        // With Nagle's algorithm on, the two small writes of an HTTP/2 POST wait 40 ms for each other.
        tcp.set_nodelay(true);
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(&self.roots, self.crypto)?)
            .https_only()
            .enable_all_versions()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(self.pool_idle)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(https);
        Ok(HyperTransport { client, user_agent })
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
        let (Some("https"), Some(host)) = (uri.scheme_str(), uri.authority().cloned()) else {
            return refuse("its URL must be absolute and begin with https://");
        };
        if host.as_str().contains('@') {
            // A password in a URL would go into logs and errors, and a server never sees it.
            return refuse("its URL must not hold a user or a password");
        }
        let exchange = self.client.request(request);
        Box::pin(async move {
            match exchange.await {
                Ok(response) => Ok(response.map(|body| Body::new(FromWire(body)))),
                Err(error) => Err(classify(error, host.as_str())),
            }
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
fn classify(error: hyper_util::client::legacy::Error, host: &str) -> Error {
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
