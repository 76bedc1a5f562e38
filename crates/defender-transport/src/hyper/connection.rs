//! Steps of a connection: bytes, a way through a proxy, and TLS over that.

use std::{
    future::{Ready, poll_fn, ready},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tower_service::Service;

use super::{
    connect_error::ConnectError,
    dial::Stream,
    liveness::{Host, Liveness},
    parts::Parts,
    proxy::tunnel,
};
use crate::{Clock, clock::Sleep};

/// Opens the connections of a transport: bytes, a way through a proxy, and TLS over that, all within the time for a connection.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) parts: Arc<Parts>,
    pub(super) liveness: Arc<Liveness>,
}

impl Service<Uri> for Connector {
    type Response = BoxedStream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        Box::pin(connection(Arc::clone(&self.parts), Arc::clone(&self.liveness), to))
    }
}

async fn connection(parts: Arc<Parts>, liveness: Arc<Liveness>, to: Uri) -> Result<BoxedStream, ConnectError> {
    // A port beyond 65,535 is read as none, and would lead to the scheme's own.
    if to.authority().is_some_and(|authority| authority.port_u16().is_none() && authority.as_str() != authority.host())
    {
        return Err(ConnectError::because("its port is none").permanent());
    }
    let limit = parts.connect_timeout;
    let mut patience = parts.clock.sleep(limit);
    let proxy = parts.proxy.proxy_for(&to);
    let dialled = within(&mut patience, parts.dial.dial(proxy.map_or(&to, |proxy| &proxy.uri))).await;
    let dialled = dialled.ok_or_else(|| ConnectError::late("there was no connection", limit));
    let dialled = dialled.and_then(|stream| stream.map_err(ConnectError::unreached));
    let stream = match proxy {
        None => dialled?,
        Some(proxy) => {
            let name = format!("the proxy {}", proxy.host());
            let stream = dialled.map_err(|why| why.of(&name))?;
            let opened = within(&mut patience, tunnel(stream, proxy, &to, &parts.user_agent)).await;
            let opened = opened.ok_or_else(|| ConnectError::late(&format!("{name} opened no way"), limit))?;
            opened.map_err(|refused| refused.of(&name))?
        }
    };
    // The name was allowed, and may have led elsewhere.
    let is_plain = to.scheme_str() == Some("http");
    if is_plain && stream.peer.is_some_and(|peer| !parts.plain_http.allows_address(peer)) {
        return Err(ConnectError::because("its name leads to an address where plain http may not go").permanent());
    }
    let host = to.authority().map(|authority| liveness.host(authority.as_str()));
    let connecting = HttpsConnector::from((Dialled(Some(stream)), Arc::clone(&parts.tls))).call(to);
    let connected = within(&mut patience, connecting).await;
    let connected = connected.ok_or_else(|| ConnectError::late("the TLS handshake was not done", limit))?;
    let connection = Box::pin(connected.map_err(ConnectError::without_tls)?);
    let host = host.filter(|_| connection.connected().is_negotiated_h2());
    if let Some(host) = &host {
        host.becomes_shared(parts.clock.elapsed());
    }
    Ok(BoxedStream { connection, heard: host.map(|host| (host, Arc::clone(&parts.clock))) })
}

/// A boxed connection. The state of TLS is large, and hyper-util would move room for it with each request.
pub(super) struct BoxedStream {
    connection: Pin<Box<MaybeHttpsStream<TokioIo<Stream>>>>,
    /// Host that is noted as heard, and the clock for it, if requests share the connection.
    heard: Option<(Arc<Host>, Arc<dyn Clock>)>,
}

impl Connection for BoxedStream {
    fn connected(&self) -> Connected {
        self.connection.connected()
    }
}

impl Read for BoxedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = self.connection.as_mut().poll_read(context, buffer);
        if let (Poll::Ready(Ok(())), Some((host, clock))) = (&polled, &self.heard) {
            host.was_heard(&**clock);
        }
        polled
    }
}

impl Write for BoxedStream {
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

/// Returns the output of `future`, or `None` once the time limit is reached.
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
