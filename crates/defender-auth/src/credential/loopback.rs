//! Redirect target of the browser: a listener on the loopback that responds with a plain page.

use std::{future::poll_fn, net::Ipv4Addr, pin::Pin, task::Poll};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    Error, ErrorKind,
    oauth::{Returned, SignIn},
    secret::Secret,
};

/// Size limit of the request with which the browser returns.
const LARGEST: usize = 32 << 10;

/// Browsers open connections that they never use; of so many, the oldest is given up.
const MANY: usize = 16;

/// A connection, until it is known whether it brings the redirect.
type Visit<'v> = Pin<Box<dyn Future<Output = Option<Result<Secret, Error>>> + Send + 'v>>;

/// A listener on `127.0.0.1`, on a port that was free.
#[derive(Debug)]
pub(crate) struct Loopback {
    listener: TcpListener,
    port: u16,
}

impl Loopback {
    pub(crate) async fn bind() -> Result<Self, Error> {
        let failed = |source: std::io::Error| {
            Error::new(ErrorKind::SignIn).context("there is no port on 127.0.0.1 for the browser").caused_by(source)
        };
        if tokio::runtime::Handle::try_current().is_err() {
            // Outside of it, tokio would panic.
            return Err(
                Error::new(ErrorKind::Configuration).context("a browser comes back inside a tokio runtime only")
            );
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port })
    }

    /// Redirect URI for Entra. `localhost` can be registered for any port, `127.0.0.1` cannot in the
    /// portal.
    pub(crate) fn redirect_uri(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// Waits for the one request that belongs to `sign_in`, and gives its code. Others are sent away.
    pub(crate) async fn code(&self, sign_in: &SignIn) -> Result<Secret, Error> {
        let mut visits: Vec<Visit<'_>> = Vec::new();
        poll_fn(|context| {
            while let Poll::Ready(accepted) = self.listener.poll_accept(context) {
                match accepted {
                    Ok((stream, _)) if visits.len() < MANY => visits.push(Box::pin(visit(stream, sign_in))),
                    Ok((stream, _)) => {
                        drop(visits.remove(0));
                        visits.push(Box::pin(visit(stream, sign_in)));
                    }
                    // One visitor has gone before it was one.
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
                    Err(source) => {
                        let error = Error::new(ErrorKind::SignIn).context("the browser cannot come back");
                        return Poll::Ready(Err(error.caused_by(source)));
                    }
                }
            }
            let mut at = 0;
            while let Some(one) = visits.get_mut(at) {
                match one.as_mut().poll(context) {
                    Poll::Ready(Some(outcome)) => return Poll::Ready(outcome),
                    Poll::Ready(None) => drop(visits.remove(at)),
                    Poll::Pending => at = at.saturating_add(1),
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Reads one request and responds to it; `None` if it does not belong to `sign_in`.
async fn visit(mut stream: TcpStream, sign_in: &SignIn) -> Option<Result<Secret, Error>> {
    let head = head(&mut stream).await?;
    let returned = query(&head).map_or(Returned::Foreign, |query| sign_in.returned(query));
    let (status, words) = match &returned {
        Returned::Code(_) => ("200 OK", "You are signed in. This window can be closed."),
        Returned::Refused(_) => ("200 OK", "You are not signed in. The program that asked says why."),
        Returned::Foreign => ("404 Not Found", "There is nothing here."),
    };
    // Nothing of the request is in the page.
    let page = format!("<!doctype html><html lang=\"en\"><title>Sign-in</title><p>{words}</p></html>");
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    // A browser that is gone does not see the page, and the sign-in is done all the same.
    let _seen = stream.write_all(response.as_bytes()).await.is_ok() && stream.shutdown().await.is_ok();
    match returned {
        Returned::Code(code) => Some(Ok(code)),
        Returned::Refused(error) => Some(Err(error)),
        Returned::Foreign => None,
    }
}

/// The request's lines, up to the empty one.
async fn head(stream: &mut TcpStream) -> Option<Secret> {
    let mut read = zeroize::Zeroizing::new(Vec::with_capacity(LARGEST));
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        if read.len() >= LARGEST || stream.read_buf(&mut *read).await.ok()? == 0 {
            return None;
        }
    }
    std::str::from_utf8(&read).ok().map(Secret::new)
}

/// The query of `GET /?query HTTP/1.1`.
fn query(head: &Secret) -> Option<&str> {
    let mut words = head.reveal().lines().next()?.split(' ');
    let (Some("GET"), Some(target)) = (words.next(), words.next()) else { return None };
    target.strip_prefix("/?")
}
