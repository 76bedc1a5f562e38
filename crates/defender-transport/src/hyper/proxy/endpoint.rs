//! Address of a proxy, read from its URL.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Uri, uri::Authority};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::{Error, ErrorKind};

/// Address of a proxy, and the credentials that it is sent.
#[derive(Clone)]
pub(crate) struct Endpoint {
    host: Authority,
    /// `http://host:port/`.
    pub(crate) uri: Uri,
    pub(super) authorization: Option<HeaderValue>,
}

impl Endpoint {
    /// Reads `http://user:password@host:port`, or describes the mistake without quoting it.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "is no URL such as http://proxy.example:3128";
        let (scheme, rest) = url.trim().split_once("://").unwrap_or(("http", url.trim()));
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err("begins with https://, and a proxy is spoken to over http only; give its http port"),
            "socks4" | "socks4a" | "socks5" | "socks5h" => {
                return Err("is of a SOCKS proxy, which is not known here; give one that is spoken to over http");
            }
            _ => return Err(EXPECTED),
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(EXPECTED)?;
        if !matches!(path, "" | "/") {
            return Err("has a path, which no proxy has; a `/`, `?` or `#` in a password must be percent-encoded");
        }
        // The last `@` is the one: a password may have been given as it is.
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        let host: Authority = host.parse().map_err(|_| EXPECTED)?;
        let has_no_port = host.as_str() == host.host();
        if host.host().is_empty() || host.as_str().contains('@') || !has_no_port && host.port_u16().is_none() {
            return Err(EXPECTED);
        }
        let uri = Uri::builder().scheme("http").authority(host.clone()).path_and_query("/").build();
        Ok(Self { host, uri: uri.map_err(|_| EXPECTED)?, authorization: user.map(basic).transpose()? })
    }

    /// Description of the proxy, without user and password.
    pub(crate) fn host(&self) -> &str {
        self.host.as_str()
    }
}

/// The value of `Proxy-Authorization` for `user:password`, in memory that is wiped.
fn basic(user: &str) -> Result<HeaderValue, &'static str> {
    const SCHEME: &[u8] = b"Basic ";
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    if percent_decode_str(user).any(|byte| byte == b':') {
        return Err("has a user with a colon in its name, which cannot be told from the password");
    }
    // A buffer that moves while it grows leaves parts of its content behind.
    let mut pair = Zeroizing::new(Vec::with_capacity(user.len().saturating_add(password.len()).saturating_add(1)));
    pair.extend(percent_decode_str(user));
    pair.push(b':');
    pair.extend(percent_decode_str(password));
    let encoded = Zeroizing::new(STANDARD.encode(&*pair));
    let value = Zeroizing::new([SCHEME, encoded.as_bytes()].concat());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value))
        .map_err(|_| "has a user or a password that cannot be sent")?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Error of a proxy that cannot be used.
pub(super) fn unusable(what: &str, why: &str) -> Error {
    Error::new(ErrorKind::Request).context(format!("{what} {why}"))
}
