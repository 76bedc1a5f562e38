//! The listener: accepts connections, shakes hands, and gives requests to the router.

use std::{
    future::{pending, poll_fn},
    net::Ipv4Addr,
    pin::pin,
    sync::{Arc, Weak},
    task::Poll,
};

use axum::{body::Body, response::Response};
use http::{HeaderValue, Method, Request, header::CONTENT_LENGTH};
use http_body::Body as _;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{rt::TokioIo, server::conn::auto};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::TlsAcceptor;

use crate::{Error, Fault, endpoints, faults::kind::Wire, listen::tasks::Tasks, service::Service};

/// A listener and the tasks that serve it. Dropping it closes the one and stops the others.
#[derive(Debug)]
pub(crate) struct Server {
    /// The only owner. The task that accepts borrows it for a poll at a time, so that it closes when this is dropped,
    /// and not when the runtime next gets round to that task.
    listener: Option<Arc<TcpListener>>,
    tasks: Tasks,
}

impl Server {
    /// Listens on `port` of the loopback, and on no other address; returns the port.
    pub(crate) async fn bind(port: u16) -> Result<(Self, u16), Error> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| Error::bind(port, error))?;
        let port = listener.local_addr().map_err(|error| Error::bind(port, error))?.port();
        Ok((Self { listener: Some(Arc::new(listener)), tasks: Tasks::new() }, port))
    }

    /// Begins to serve `service`.
    pub(crate) fn serve(&self, tls: Arc<ServerConfig>, service: Arc<Service>) {
        self.begin(Some(TlsAcceptor::from(tls)), service);
    }

    /// Begins to serve managed identities alone, over plain http.
    pub(crate) fn serve_identities(&self, service: Arc<Service>) {
        self.begin(None, service);
    }

    fn begin(&self, tls: Option<TlsAcceptor>, service: Arc<Service>) {
        if let Some(listener) = &self.listener {
            let tasks = self.tasks.clone();
            self.tasks.spawn(accept(Arc::downgrade(listener), tls, service, tasks));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.stop();
        drop(self.listener.take());
    }
}

async fn accept(listener: Weak<TcpListener>, tls: Option<TlsAcceptor>, service: Arc<Service>, tasks: Tasks) {
    loop {
        let accepted = poll_fn(|context| match listener.upgrade() {
            Some(listener) => listener.poll_accept(context).map(Some),
            None => Poll::Ready(None),
        });
        let stream = match accepted.await {
            None => return,
            Some(Ok((stream, _))) => stream,
            // One connection failed before it was one, or there are too many; the next may do better.
            Some(Err(_)) => {
                tokio::task::yield_now().await;
                continue;
            }
        };
        match service.faults.of_connection() {
            None => tasks.spawn(greeted(stream, tls.clone(), Arc::clone(&service), tasks.clone())),
            Some(Fault::TlsFailure) => drop(stream.try_write(b"This is not TLS.\r\n")),
            Some(_) => drop(stream),
        }
    }
}

/// Removes the body of a response to a HEAD, and keeps its length: hyper does so in HTTP/1.1 and not in HTTP/2.
fn without_body(response: &mut Response) {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    *response.body_mut() = Body::empty();
}

/// One connection, from its greeting to its end.
async fn greeted(stream: TcpStream, tls: Option<TlsAcceptor>, service: Arc<Service>, tasks: Tasks) {
    // With Nagle's algorithm on, an HTTP/2 response is held back for 40 ms.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match tls {
        None => connection(stream, service, tasks, endpoints::of_identities).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                connection(stream, service, tasks, endpoints::respond).await;
            }
        }
    }
}

/// One connection, until either side ends it. How it ended is the client's to judge.
async fn connection<S, F>(
    stream: S,
    service: Arc<Service>,
    tasks: Tasks,
    respond: impl Fn(Arc<Service>, Request<Body>) -> F + Copy + Send + Sync + 'static,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let (cut, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let told = (Arc::clone(&cut), Arc::clone(&leave));
    let answering = service_fn(move |request: Request<Incoming>| {
        let (service, (cut, leave)) = (Arc::clone(&service), told.clone());
        async move {
            let is_head = request.method() == Method::HEAD;
            let mut response = respond(service, request.map(Body::new)).await;
            if is_head {
                without_body(&mut response);
            }
            match response.extensions().get() {
                None => {}
                Some(Wire::Last) => leave.notify_one(),
                // hyper resets the stream with the reason that it finds; before HTTP/2 it cuts the connection.
                Some(Wire::Refused) => return Err(h2::Error::from(h2::Reason::REFUSED_STREAM)),
                Some(Wire::Silent) => pending::<()>().await,
                Some(Wire::Cut) => {
                    cut.notify_one();
                    pending::<()>().await;
                }
            }
            Ok(response)
        }
    });
    let mut builder = auto::Builder::new(tasks);
    // Responses are dated by the emulator's clock, or not at all.
    builder.http1().auto_date_header(false);
    builder.http2().auto_date_header(false);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), answering));
    loop {
        tokio::select! {
            _ended = connection.as_mut() => return,
            () = cut.notified() => return,
            () = leave.notified() => connection.as_mut().graceful_shutdown(),
        }
    }
}
