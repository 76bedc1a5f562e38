//! A tunnel through a proxy, opened by `CONNECT`.

use std::{fmt, io};

use http::{HeaderValue, StatusCode, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

use super::endpoint::Endpoint;
use crate::hyper::{connect_error::ConnectError, dial::Stream};

/// A proxy's response is a few lines.
const LIMIT: usize = 16 << 10;

/// Reason for which a proxy that was reached opened no way.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The proxy demands authentication, by one of these schemes, in lower case.
    Unauthenticated { schemes: Vec<String>, with_password: bool },
    /// Another status than 2xx.
    Status(StatusCode),
    /// Its response is not a proxy's.
    Nonsense(&'static str),
    /// The connection to it broke.
    Broken(io::Error),
}

impl Refused {
    /// Converts it to the error of a connection through the proxy of that name.
    pub(crate) fn of(self, proxy: &str) -> ConnectError {
        let unconnected = ConnectError::because(format!("{proxy} {self}"));
        let unconnected = if self.is_permanent() { unconnected.permanent() } else { unconnected };
        match self {
            Self::Broken(cause) => unconnected.by(cause.into()),
            Self::Unauthenticated { .. } | Self::Status(_) | Self::Nonsense(_) => unconnected,
        }
    }

    /// Returns true if the proxy would refuse the next attempt too. A directory locks an account if a wrong password is sent
    /// again.
    fn is_permanent(&self) -> bool {
        match self {
            Self::Unauthenticated { .. } => true,
            Self::Status(status) => !matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502..=504),
            Self::Nonsense(what) => *what != CLOSED,
            Self::Broken(_) => false,
        }
    }
}

/// Text for a proxy that is in trouble or is shutting down.
const CLOSED: &str = "closed the connection without a response";

/// Asks the proxy at the other end of `stream` for a way to the host and port of `to`, and gives the stream back when
/// bytes that are written go there.
pub(crate) async fn tunnel(
    mut stream: Stream,
    proxy: &Endpoint,
    to: &Uri,
    user_agent: &HeaderValue,
) -> Result<Stream, Refused> {
    let host = to.host().unwrap_or_default();
    let port = to.port_u16().unwrap_or(443);
    let first = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: ");
    let secret = proxy.authorization.as_ref().map_or(0, HeaderValue::len);
    // A buffer that moves while it grows leaves parts of the password behind.
    let room = [first.len(), user_agent.len(), secret, 64].into_iter().fold(0, usize::saturating_add);
    let mut asked = Zeroizing::new(Vec::with_capacity(room));
    asked.extend_from_slice(first.as_bytes());
    asked.extend_from_slice(user_agent.as_bytes());
    asked.extend_from_slice(b"\r\n");
    if let Some(authorization) = &proxy.authorization {
        asked.extend_from_slice(b"Proxy-Authorization: ");
        asked.extend_from_slice(authorization.as_bytes());
        asked.extend_from_slice(b"\r\n");
    }
    asked.extend_from_slice(b"\r\n");
    stream.write_all(&asked).await.map_err(Refused::Broken)?;
    stream.flush().await.map_err(Refused::Broken)?;

    let mut head = Vec::with_capacity(1 << 10);
    loop {
        if stream.read_buf(&mut head).await.map_err(Refused::Broken)? == 0 {
            return Err(Refused::Nonsense(CLOSED));
        }
        if let Some(end) = end_of_head(&head) {
            return match status(&head)? {
                // The server speaks only when it has been spoken to.
                status if status.is_success() && end < head.len() => {
                    Err(Refused::Nonsense("said more than it was asked"))
                }
                status if status.is_success() => Ok(stream),
                StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(Refused::Unauthenticated {
                    schemes: schemes(head.get(..end).unwrap_or_default()),
                    with_password: proxy.authorization.is_some(),
                }),
                status => Err(Refused::Status(status)),
            };
        }
        if head.len() > LIMIT {
            return Err(Refused::Nonsense("gave a response without an end"));
        }
    }
}

/// End of a response's head: after its first empty line.
fn end_of_head(head: &[u8]) -> Option<usize> {
    let at = head.windows(4).position(|four| four == b"\r\n\r\n")?;
    at.checked_add(4)
}

fn status(head: &[u8]) -> Result<StatusCode, Refused> {
    let nonsense = || Refused::Nonsense("does not speak HTTP/1");
    let rest = head.strip_prefix(b"HTTP/1.").ok_or_else(nonsense)?;
    let mut words = rest.split(|byte| matches!(byte, b' ' | b'\r'));
    let (_minor, status) = (words.next(), words.next().ok_or_else(nonsense)?);
    StatusCode::from_bytes(status).map_err(|_| nonsense())
}

/// The authentication schemes that the head of a response offers, in lower case. Others than those known to HTTP are left
/// out, since the text is the proxy's.
fn schemes(head: &[u8]) -> Vec<String> {
    const KNOWN: [&str; 7] = ["basic", "digest", "negotiate", "ntlm", "kerberos", "bearer", "oauth"];
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let offers = head.lines().filter_map(|line| line.strip_prefix("proxy-authenticate:"));
    let words = offers.flat_map(|offer| offer.split(',').filter_map(|part| part.split_whitespace().next()));
    let mut schemes: Vec<String> = words.filter(|word| KNOWN.contains(word)).map(str::to_owned).collect();
    schemes.sort();
    schemes.dedup();
    schemes
}

/// In words that follow the proxy's name.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthenticated { schemes, .. } if !schemes.is_empty() && !schemes.iter().any(|name| name == "basic") => {
                write!(
                    f,
                    "refused: 407, it authenticates with {} only, which is not supported here; go through a local proxy that \
                     does it, or let the administrator allow Basic or exempt this machine",
                    schemes.join(" and ")
                )
            }
            Self::Unauthenticated { with_password: true, .. } => {
                f.write_str("refused: 407, the user or the password in the proxy's URL is wrong; correct them before another attempt")
            }
            Self::Unauthenticated { .. } => {
                f.write_str("refused: 407, it wants a user and a password; put them into the proxy's URL")
            }
            Self::Status(status) if matches!(status.as_u16(), 403 | 405) => {
                write!(f, "refused: {status}; ask its administrator to let this host through")
            }
            Self::Status(status) if self.is_permanent() => write!(f, "refused: {status}; check the proxy's URL"),
            Self::Status(status) => write!(f, "refused: {status}; try again later"),
            Self::Nonsense(what) => f.write_str(what),
            Self::Broken(_) => f.write_str("broke the connection off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Request that the proxy received, and the result of its response.
    async fn asked(to: &'static str, response: &[u8]) -> (String, Result<Stream, Refused>) {
        let (ours, mut theirs) = tokio::io::duplex(64 << 10);
        theirs.write_all(response).await.unwrap();
        if response.is_empty() {
            theirs.shutdown().await.unwrap();
        }
        let proxy = Endpoint::parse("http://user:password@proxy:3128").unwrap();
        let outcome = tunnel(Stream::new(ours), &proxy, &Uri::from_static(to), &HeaderValue::from_static("a/1")).await;
        let mut request = vec![0; 1 << 10];
        let length = theirs.read(&mut request).await.unwrap();
        (String::from_utf8(request[..length].to_vec()).unwrap(), outcome)
    }

    #[tokio::test]
    async fn connect_request_names_host_and_port() {
        for (to, host) in [("https://api.example/x?y", "api.example:443"), ("https://[::1]:8443/", "[::1]:8443")] {
            let (request, outcome) = asked(to, b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n").await;
            let expected = format!(
                "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: a/1\r\nProxy-Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n\r\n"
            );
            assert_eq!(request, expected);
            assert!(outcome.is_ok());
        }
    }

    #[tokio::test]
    async fn refusing_proxy_response_is_described() {
        let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"x: y\r\n".repeat(4 << 10)].concat();
        for (response, words) in [
            (&b"HTTP/1.1 407 Proxy Authentication Required\r\nx: y\r\n\r\n"[..], "refused: 407"),
            (b"HTTP/1.0 403 No\r\n\r\n<html>", "refused: 403 Forbidden"),
            (b"HTTP/1.1 502\r\n\r\n", "refused: 502 Bad Gateway"),
            (b"HTTP/1.1 200 OK\r\n\r\nhello", "said more"),
            (b"HTTP/1.1 2000 OK\r\n\r\n", "does not speak HTTP/1"),
            (b"SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP/1"),
            (b"", "closed the connection"),
            (&endless, "without an end"),
        ] {
            let told = asked("https://api.example/", response).await.1.err().unwrap().to_string();
            assert!(told.contains(words), "{told}");
        }
    }
}
