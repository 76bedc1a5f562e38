//! The listener: accepts connections, shakes hands, and gives requests to the router.

use std::{
    future::poll_fn,
    net::Ipv4Addr,
    sync::{Arc, Weak},
    task::Poll,
};

use axum::Router;
use http::Request;
use hyper::{
    body::Incoming,
    service::{Service as _, service_fn},
};
use hyper_util::{rt::TokioIo, server::conn::auto, service::TowerToHyperService};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{Error, path, tasks::Tasks};

/// A listener and the tasks that serve it. Dropping it closes the one and stops the others.
#[derive(Debug)]
pub(crate) struct Server {
    /// The only owner. The task that accepts borrows it for a poll at a time, so that it closes when this is dropped,
    /// and not when the runtime next gets round to that task.
    listener: Option<Arc<TcpListener>>,
    tasks: Tasks,
}

impl Server {
    /// Listens on `port` of the loopback, and on no other address; says on which port it does.
    pub(crate) async fn bind(port: u16) -> Result<(Self, u16), Error> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| Error::bind(port, error))?;
        let port = listener.local_addr().map_err(|error| Error::bind(port, error))?.port();
        Ok((Self { listener: Some(Arc::new(listener)), tasks: Tasks::new() }, port))
    }

    /// Begins to answer with `router`.
    pub(crate) fn serve(&self, tls: Arc<ServerConfig>, router: Router) {
        if let Some(listener) = &self.listener {
            let tasks = self.tasks.clone();
            self.tasks.spawn(accept(Arc::downgrade(listener), TlsAcceptor::from(tls), router, tasks));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.stop();
        drop(self.listener.take());
    }
}

async fn accept(listener: Weak<TcpListener>, tls: TlsAcceptor, router: Router, tasks: Tasks) {
    loop {
        let accepted = poll_fn(|context| match listener.upgrade() {
            Some(listener) => listener.poll_accept(context).map(Some),
            None => Poll::Ready(None),
        });
        match accepted.await {
            None => return,
            Some(Ok((stream, _))) => tasks.spawn(connection(stream, tls.clone(), router.clone(), tasks.clone())),
            // One connection failed before it was one, or there are too many; the next may do better.
            Some(Err(_)) => tokio::task::yield_now().await,
        }
    }
}

/// One connection, until either side ends it. How it ended is the client's to judge.
async fn connection(stream: TcpStream, tls: TlsAcceptor, router: Router, tasks: Tasks) {
    // With Nagle's algorithm on, an HTTP/2 answer waits 40 ms for itself.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(stream) = tls.accept(stream).await else { return };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| router.call(path::canonical(request)));
    let _ended = auto::Builder::new(tasks).serve_connection(TokioIo::new(stream), service).await;
}
