//! The network itself, and the system's names.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::client::legacy::connect::{
    Connected, Connection, HttpConnector,
    dns::{GaiAddrs, GaiResolver, Name},
};
use tokio::net::TcpStream;
use tower_service::Service;

use super::{
    connect_error::DnsError,
    dial::{BoxError, Dial, Dialing, Stream},
};

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

/// Resolver of the system, whose failures can be told apart from those of a connection.
#[derive(Clone)]
struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = DnsError;
    type Future = Pin<Box<dyn Future<Output = Result<GaiAddrs, DnsError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DnsError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolving = self.0.call(name);
        Box::pin(async { resolving.await.map_err(DnsError) })
    }
}
