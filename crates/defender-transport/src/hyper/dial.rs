//! Streams of bytes to a server: the seam beneath the transport.

use std::{
    error::Error as StdError,
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};

use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Error of a stream that was not opened, in the type of any network.
pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// A stream that is on its way.
pub(crate) type Dialing = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

/// The network, seen from a client: gives a stream of bytes to the host and port of a URL. The transport speaks TLS over it where
/// the URL is https, and HTTP over that; a proxy is dialled in the same way.
///
/// The real one is TCP. Any function is one too, so that a test puts a network of its own under the transport, with
/// [`HyperTransportBuilder::over`](crate::HyperTransportBuilder::over):
///
/// ```text
/// // Plain HTTP/1.1 over a pipe in memory: `http://127.0.0.1/…`, which the transport must allow.
/// let transport = HyperTransport::builder()
///     .plain_http(PlainHttp::Loopback)
///     .over(|_: &Uri| -> Dialing {
///         let (ours, theirs) = tokio::io::duplex(64 << 10);
///         tokio::spawn(serve(theirs));
///         Box::pin(async { Ok(Stream::new(ours)) })     // or an error: the network is down
///     })
///     .build()?;
/// // HTTP/2 without TLS: `Ok(Stream::new(ours).speaking_http_2())`.
/// // Real TLS over the pipe: let the server put a `TlsAcceptor` on `theirs`, give its CA to `.roots(..)`, and ask for
/// // `https://…`; the protocol is then negotiated as ever.
/// ```
pub(crate) trait Dial: Send + Sync {
    /// Begins to reach the host and port of `to`.
    fn dial(&self, to: &Uri) -> Dialing;
}

impl<F: Fn(&Uri) -> Dialing + Send + Sync> Dial for F {
    fn dial(&self, to: &Uri) -> Dialing {
        self(to)
    }
}

/// Bytes in both directions.
trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A stream of bytes to a server or a proxy, of any kind.
pub(crate) struct Stream {
    bytes: Box<dyn Bytes>,
    /// Peer address, if known.
    pub(crate) peer: Option<IpAddr>,
    /// True if the server speaks HTTP/2 on it without negotiation.
    pub(crate) speaks_http_2: bool,
}

impl Stream {
    pub(crate) fn new(bytes: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { bytes: Box::new(bytes), peer: None, speaks_http_2: false }
    }

    /// The same, to this address.
    pub(crate) fn to(mut self, peer: Option<IpAddr>) -> Self {
        self.peer = peer;
        self
    }

    /// The same, where both sides know beforehand that it will be HTTP/2.
    #[cfg(test)]
    pub(crate) fn speaking_http_2(mut self) -> Self {
        self.speaks_http_2 = true;
        self
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.bytes.is_write_vectored()
    }
}
