//! The wire: hyper's pooled client over rustls, HTTP/1.1 and HTTP/2.

use std::{
    error::Error as StdError,
    fmt,
    future::{Ready, poll_fn, ready},
    io,
    pin::{Pin, pin},
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Uri,
    header::{Entry, USER_AGENT},
    uri::Authority,
};
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    rt::{Read, ReadBufCursor, Write},
};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{
        self, Client,
        connect::{
            Connected, Connection, HttpConnector,
            dns::{GaiAddrs, GaiResolver, Name},
        },
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::ClientConfig;
use tokio::{net::TcpStream, runtime};
use tower_service::Service;
use uuid::{Builder, Uuid};

use crate::{
    Body, Clock, Error, ErrorKind, HyperTransportBuilder, PlainHttp, Transport,
    clock::Sleep,
    dial::{BoxError, Dial, Dialing, Stream},
    extensions::SendState,
    liveness::{Host, Liveness, PING, PONG},
    proxy::{Rules, tunnel},
    tls::{self, ClientAlert},
    transport::Sending,
    unconnected::{Unconnected, Unresolved, chain},
};

/// What Microsoft's services call the id of one try.
const REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// How long a connection on this machine's own link may take to come about.
const LINK_LOCAL: Duration = Duration::from_secs(3);

/// The wire on hyper and rustls: a pool of connections, HTTP/2 where the server offers it.
///
/// Clones share the pool. It must be used inside a tokio runtime, and elsewhere gives an error that says so. Each runtime has
/// a pool of its own, since a connection lives in the runtime that opened it, and makes no progress while that is idle. It
/// speaks https only, unless [`plain_http`](HyperTransportBuilder::plain_http) allows more.
///
/// A server that demands HTTP/1.1, or whose HTTP/2 cannot be read, is spoken to over HTTP/1.1 from then on. A server that says
/// nothing for 6 s, though requests wait for it and it is pinged, gets further requests over a new connection.
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
    clients: Arc<Clients>,
    parts: Arc<Parts>,
}

/// What a wire is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) proxy: Rules,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) user_agent: HeaderValue,
    pub(crate) plain_http: PlainHttp,
    pub(crate) connect_timeout: Duration,
    pub(crate) pool_idle: Duration,
    /// Of an answer, in bytes.
    pub(crate) max_head: u32,
    /// Of an answer in HTTP/1.1; hyper's own limit, if none.
    pub(crate) max_headers: Option<usize>,
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

    /// Another wire like this one, for what gives out the identity of the machine that it runs on: plain http to this machine
    /// and to its own link is allowed, as by [`PlainHttp::LinkLocal`], and no proxy is used for anything. It shares no
    /// connection with this one, and a connection comes about within 3 s or not at all, since nothing on a machine's own link is
    /// further away.
    #[must_use]
    pub fn link_local(&self) -> Self {
        let parts = Parts::clone(&self.parts);
        let connect_timeout = parts.connect_timeout.min(LINK_LOCAL);
        Self::of(Parts { plain_http: PlainHttp::LinkLocal, proxy: Rules::default(), connect_timeout, ..parts })
    }

    pub(crate) fn of(parts: Parts) -> Self {
        let parts = Arc::new(parts);
        Self { clients: Arc::new(Clients::of(Arc::clone(&parts))), parts }
    }
}

type HyperClient = Client<Connector, InPieces>;

fn client(parts: &Parts, connector: Connector) -> HyperClient {
    let mut client = Client::builder(TokioExecutor::new());
    client
        .pool_idle_timeout(parts.pool_idle)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        // Over HTTP/2 all requests share a connection, and one that fell silent would take each of them to its timeout.
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PONG)
        // Less would be a panic.
        .http1_max_buf_size(usize::try_from(parts.max_head).unwrap_or(usize::MAX).max(8 << 10))
        // TLS copies what it encrypts, and takes one piece more easily than two.
        .http1_writev(false)
        // A load balancer's cookie that breaks the rules takes no good response with it.
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http2_max_header_list_size(parts.max_head);
    if let Some(max_headers) = parts.max_headers {
        client.http1_max_headers(max_headers);
    }
    client.build(connector)
}

/// Runtimes whose pools are kept: a program has one or two, and a suite of tests ends most of its runtimes.
const RUNTIMES: usize = 8;
/// Hosts that are known to demand HTTP/1.1.
const HOSTS: usize = 64;

/// The pools of a wire, one for each runtime.
struct Clients {
    parts: Arc<Parts>,
    /// The latest last.
    pools: RwLock<Vec<Arc<Pool>>>,
    /// Hosts to which HTTP/1.1 is spoken though they offer HTTP/2, and whether there are any.
    plain: RwLock<Vec<Authority>>,
    any_plain: AtomicBool,
}

/// The connections of one runtime.
struct Pool {
    runtime: runtime::Id,
    client: HyperClient,
    /// For hosts that demand HTTP/1.1.
    http_1: OnceLock<HyperClient>,
    liveness: Arc<Liveness>,
}

impl Clients {
    fn of(parts: Arc<Parts>) -> Self {
        Self { parts, pools: RwLock::default(), plain: RwLock::default(), any_plain: AtomicBool::new(false) }
    }

    /// The pool of this runtime, and `host` in it. Where the host is silent, it is a new pool.
    fn pool(&self, runtime: runtime::Id, host: &Authority, now: Duration) -> (Arc<Pool>, Arc<Host>) {
        let pools = self.pools.read().unwrap_or_else(PoisonError::into_inner);
        let found = pools.iter().find(|pool| pool.runtime == runtime).map(Arc::clone);
        drop(pools);
        if let Some(pool) = found {
            let known = pool.liveness.host(host.as_str());
            if !known.is_silent(now) {
                return (pool, known);
            }
            let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
            pools.retain(|kept| !Arc::ptr_eq(kept, &pool));
        }
        let mut pools = self.pools.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been here before.
        let found = pools.iter().find(|pool| pool.runtime == runtime).map(Arc::clone);
        let pool = found.unwrap_or_else(|| {
            let liveness = Arc::<Liveness>::default();
            let connector = Connector { parts: Arc::clone(&self.parts), liveness: Arc::clone(&liveness) };
            let client = client(&self.parts, connector);
            let pool = Arc::new(Pool { runtime, client, http_1: OnceLock::new(), liveness });
            if pools.len() >= RUNTIMES {
                pools.remove(0);
            }
            pools.push(Arc::clone(&pool));
            pool
        });
        let known = pool.liveness.host(host.as_str());
        (pool, known)
    }

    /// What to speak to `host` with.
    fn client<'p>(&self, pool: &'p Pool, host: &Authority) -> &'p HyperClient {
        let is_plain = self.any_plain.load(Ordering::Acquire)
            && self.plain.read().unwrap_or_else(PoisonError::into_inner).contains(host);
        if !is_plain {
            return &pool.client;
        }
        pool.http_1.get_or_init(|| {
            let parts = Arc::new(Parts { tls: tls::over_http_1(&self.parts.tls), ..Parts::clone(&self.parts) });
            client(&self.parts, Connector { parts, liveness: Arc::default() })
        })
    }

    /// Speaks HTTP/1.1 to `host` from now on.
    fn downgrade(&self, host: &Authority) {
        let mut plain = self.plain.write().unwrap_or_else(PoisonError::into_inner);
        if !plain.contains(host) && plain.len() < HOSTS {
            plain.push(host.clone());
        }
        self.any_plain.store(true, Ordering::Release);
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport").field("user_agent", &self.parts.user_agent).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for HyperTransport {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> Sending<'f>
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
    fn begin(&self, request: Request<Bytes>, runtime: runtime::Id) -> Sending<'_> {
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
        // A request without a body may be processed by its head alone, whose departure nobody tells.
        let state = (!body.is_empty()).then(|| head.extensions.remove::<SendState>().unwrap_or_default());
        if let Some(state) = &state {
            state.wait();
        }
        let now = self.parts.clock.elapsed();
        let (pool, known) = self.clients.pool(runtime, &host, now);
        let body = InPieces { bytes: body, state: state.clone() };
        let exchange = self.clients.client(&pool, &host).request(Request::from_parts(head, body));
        let waiting = known.wait(now);
        let mut given_up = GivenUp(state);
        Box::pin(async move {
            let outcome = exchange.await;
            drop(waiting);
            let state = given_up.0.take();
            match outcome {
                Ok(response) => Ok(response.map(|body| Body::from(FromWire(body)))),
                Err(error) => {
                    if needs_http_1(&error) {
                        self.clients.downgrade(&host);
                    }
                    // A connection that breaks may have taken the head with it, though the body has not left: a server counts
                    // such a request, so nothing is certain but what the error says.
                    let _never_left = state.is_some_and(|state| state.give_up());
                    Err(classify(error, &host))
                }
            }
        })
    }
}

/// A request whose exchange may be dropped. One that has not left by then will not leave.
struct GivenUp(Option<SendState>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        let _never_left = self.0.as_ref().is_some_and(SendState::give_up);
    }
}

/// Whether the server demands HTTP/1.1, or its HTTP/2 cannot be read, as with a header that breaks the rules.
fn needs_http_1(error: &legacy::Error) -> bool {
    let is_unreadable = |error: &h2::Error| error.is_library() && (error.is_reset() || error.is_go_away());
    let found = chain(error).find_map(|cause| cause.downcast_ref::<h2::Error>());
    found.is_some_and(|error| error.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED) || is_unreadable(error))
}

/// Makes the connections of a wire: bytes, a way through a proxy, and TLS over that, all within the time for a connection.
#[derive(Clone)]
struct Connector {
    parts: Arc<Parts>,
    liveness: Arc<Liveness>,
}

impl Service<Uri> for Connector {
    type Response = Boxed;
    type Error = Unconnected;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unconnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unconnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(connection(Arc::clone(&self.parts), Arc::clone(&self.liveness), to))
    }
}

async fn connection(parts: Arc<Parts>, liveness: Arc<Liveness>, to: Uri) -> Result<Boxed, Unconnected> {
    // A port beyond 65,535 is read as none, and would lead to the scheme's own.
    if to.authority().is_some_and(|authority| authority.port_u16().is_none() && authority.as_str() != authority.host())
    {
        return Err(Unconnected::because("its port is none").lasting());
    }
    let limit = parts.connect_timeout;
    let mut patience = parts.clock.sleep(limit);
    let proxy = parts.proxy.proxy_for(&to);
    let dialled = within(&mut patience, parts.dial.dial(proxy.map_or(&to, |proxy| &proxy.uri))).await;
    let dialled = dialled.ok_or_else(|| Unconnected::late("there was no connection", limit));
    let dialled = dialled.and_then(|stream| stream.map_err(Unconnected::unreached));
    let stream = match proxy {
        None => dialled?,
        Some(proxy) => {
            let name = format!("the proxy {}", proxy.host());
            let stream = dialled.map_err(|why| why.of(&name))?;
            let opened = within(&mut patience, tunnel(stream, proxy, &to, &parts.user_agent)).await;
            let opened = opened.ok_or_else(|| Unconnected::late(&format!("{name} opened no way"), limit))?;
            opened.map_err(|refused| refused.of(&name))?
        }
    };
    // The name was allowed, and may have led elsewhere.
    let is_plain = to.scheme_str() == Some("http");
    if is_plain && stream.peer.is_some_and(|peer| !parts.plain_http.allows_address(peer)) {
        return Err(Unconnected::because("its name leads to an address where plain http may not go").lasting());
    }
    let host = to.authority().map(|authority| liveness.host(authority.as_str()));
    let connecting = HttpsConnector::from((Dialled(Some(stream)), Arc::clone(&parts.tls))).call(to);
    let connected = within(&mut patience, connecting).await;
    let connected = connected.ok_or_else(|| Unconnected::late("the TLS handshake was not done", limit))?;
    let connection = Box::pin(connected.map_err(Unconnected::without_tls)?);
    let host = host.filter(|_| connection.connected().is_negotiated_h2());
    if let Some(host) = &host {
        host.is_shared();
    }
    Ok(Boxed { connection, heard: host.map(|host| (host, Arc::clone(&parts.clock))) })
}

/// A connection in a place of its own. The state of TLS is large, and hyper-util would move room for it with each request.
struct Boxed {
    connection: Pin<Box<MaybeHttpsStream<TokioIo<Stream>>>>,
    /// Who is noted to have been heard, and the clock for it, where requests share the connection.
    heard: Option<(Arc<Host>, Arc<dyn Clock>)>,
}

impl Connection for Boxed {
    fn connected(&self) -> Connected {
        self.connection.connected()
    }
}

impl Read for Boxed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = self.connection.as_mut().poll_read(context, buffer);
        if let (Poll::Ready(Ok(())), Some((host, clock))) = (&polled, &self.heard) {
            host.was_heard(clock.elapsed());
        }
        polled
    }
}

impl Write for Boxed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.connection.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.as_mut().poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.as_mut().poll_write_vectored(context, slices)
    }
}

/// What `future` gives, or nothing once the patience is at its end.
async fn within<F: Future>(patience: &mut Sleep, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        ready!(patience.as_mut().poll(context));
        Poll::Ready(None)
    })
    .await
}

/// The stream that TLS is to be spoken over.
struct Dialled(Option<Stream>);

impl Service<Uri> for Dialled {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<Stream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().map(TokioIo::new).ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if self.speaks_http_2 { connected.negotiated_h2() } else { connected }
    }
}

/// The network itself.
pub(crate) struct Tcp(HttpConnector<Resolver>);

impl Tcp {
    /// TCP, where several addresses of a name share `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        tcp.enforce_http(false); // The scheme has been seen to before.
        tcp.set_connect_timeout(Some(limit));
        // With Nagle's algorithm on, the two small writes of an HTTP/2 POST wait 40 ms for each other.
        tcp.set_nodelay(true);
        Self(tcp)
    }

    pub(crate) fn connect(&self, to: &Uri) -> impl Future<Output = Result<TcpStream, BoxError>> + Send + use<> {
        let connecting = self.0.clone().call(to.clone());
        async { Ok(connecting.await?.into_inner()) }
    }
}

impl Dial for Tcp {
    fn dial(&self, to: &Uri) -> Dialing {
        let connecting = self.connect(to);
        Box::pin(async move {
            let tcp = connecting.await?;
            let peer = tcp.peer_addr()?.ip();
            Ok(Stream::new(tcp).to(Some(peer)))
        })
    }
}

/// The system's names, whose failures can be told from those of a connection.
#[derive(Clone)]
struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<GaiAddrs, Unresolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.0.call(name);
        Box::pin(async { resolving.await.map_err(Unresolved) })
    }
}

fn refuse<'f>(why: &str) -> Sending<'f> {
    Box::pin(std::future::ready(Err(Error::new(ErrorKind::Request).context(why))))
}

/// An id of this one try, by which a server's log and ours can be brought together: a random UUID.
fn fresh_id() -> Option<HeaderValue> {
    let id = Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    let mut id = HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())).ok()?;
    // HTTP/2 does not remember what is marked so, in the place of headers that come again.
    id.set_sensitive(true);
    Some(id)
}

/// Says of hyper's error what went wrong, and whether the request can have been processed.
fn classify(error: legacy::Error, host: &Authority) -> Error {
    let unconnected = error.source().and_then(|cause| cause.downcast_ref::<Unconnected>());
    if let Some(unconnected) = unconnected {
        return unconnected.told(host.as_str());
    }
    // An error that is of no connection is from before the request was given to one.
    if error.is_connect() || error.connect_info().is_none() {
        return Error::new(ErrorKind::Connect).context(format!("to {host}")).caused_by(error);
    }
    // Nothing but what is told as `before_sending` is certain, and what is not certain may have been processed.
    let interrupted = |how| Error::new(ErrorKind::Interrupted).context(format!("by {host}{how}"));
    let told = chain(&error).find_map(|cause| {
        match tls::alert_about_client(cause) {
            Some(ClientAlert::Required) => {
                // The handshake was not done for the server, which reads no request before it is.
                let why = format!("to {host}: the server demands a client certificate, and was given none; set a client identity");
                return Some(Error::new(ErrorKind::Connect).context(why).lasting());
            }
            Some(ClientAlert::Refused) => {
                return Some(interrupted(": the server refuses the client's certificate; check that it has not expired and is the right one").lasting());
            }
            None => {}
        }
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return match error {
                error if error.is_canceled() => Some(interrupted("").before_sending()),
                // hyper has a question for it in servers only.
                error if error.is_parse() && error.to_string().contains("too large") => {
                    Some(Error::new(ErrorKind::TooLarge).context(format!("the head, from {host}")))
                }
                error if error.is_parse() => Some(Error::new(ErrorKind::Protocol).context(format!("from {host}"))),
                _ => None,
            };
        }
        match cause.downcast_ref::<h2::Error>()? {
            error if error.is_remote() && error.is_go_away() => {
                // h2 gives it to streams above the last one that the GOAWAY names. But hyper also gives it to a request that
                // it sent in the moment in which the GOAWAY came, of a stream that may be below, so nothing is certain.
                Some(interrupted(", which is closing the connection (GOAWAY)"))
            }
            error if error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM) => {
                Some(interrupted(", which refused the request (REFUSED_STREAM)").before_sending())
            }
            // Nothing had come back on the stream. That the request was not processed is inferred: it is what the code is for.
            error if error.is_remote() && error.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED) => {
                Some(interrupted(", which demands HTTP/1.1 (HTTP_1_1_REQUIRED)").before_sending())
            }
            error if error.is_library() && error.is_reset() => {
                let what = format!("the head, which is malformed or too large, from {host}");
                Some(Error::new(ErrorKind::Protocol).context(what))
            }
            error if error.is_library() => Some(Error::new(ErrorKind::Protocol).context(format!("from {host}"))),
            _ => None,
        }
    });
    told.unwrap_or_else(|| interrupted("")).caused_by(cause(error))
}

/// An error as a cause. A GOAWAY carries data of the server's, which may be an echo of what it was sent, so that its reason
/// stands in for it.
fn cause<E: StdError + Send + Sync + 'static>(error: E) -> BoxError {
    let found = chain(&error).find_map(|cause| cause.downcast_ref::<h2::Error>());
    match found.filter(|error| error.is_go_away()).and_then(h2::Error::reason) {
        Some(reason) => format!("GOAWAY: {}", reason.description()).into(),
        None => error.into(),
    }
}

/// The body of a request, which is handed to hyper a piece at a time: for one write it gathers what it is handed, and the
/// connection keeps the room that this takes.
struct InPieces {
    bytes: Bytes,
    /// Until the first piece has left.
    state: Option<SendState>,
}

const PIECE: usize = 32 << 10;

impl HttpBody for InPieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.state.take().is_some_and(|state| !state.leave()) {
            return Poll::Ready(Some(Err(io::Error::other("the request was given up before its body left"))));
        }
        let length = self.bytes.len().min(PIECE);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(self.bytes.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }
}

/// A body as hyper gives it, with our error.
pub(crate) struct FromWire(Incoming);

impl HttpBody for FromWire {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.0).poll_frame(context).map_err(|source| {
            Error::new(ErrorKind::Interrupted).context("inside the answer's body").caused_by(cause(source))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
