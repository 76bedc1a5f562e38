//! Choice of the proxy of a connection, if any.

mod environment;
mod exceptions;
mod tunnel;

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Uri, uri::Authority};
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

pub(crate) use self::tunnel::tunnel;
use self::{environment::Environment, exceptions::Exceptions};
use crate::{Error, ErrorKind};

/// Proxy of a transport's connections, if any.
///
/// The proxy is asked with `CONNECT` to open a way to the server, and TLS is spoken with the server through it: the proxy
/// sees the server's name, and no more. It is spoken to over http. User and password in its URL go to the proxy alone,
/// and are in no `Debug` and in no error. Plain http never goes through a proxy: see [`PlainHttp`](crate::PlainHttp).
///
/// ```
/// use defender_transport::{HyperTransport, Proxy};
///
/// # fn example() -> Result<(), defender_transport::Error> {
/// let direct = HyperTransport::builder().proxy(Proxy::none()).build()?;
/// let through = Proxy::http("http://user:p%40ss@proxy.contoso.example:3128")?.except("contoso.example, 10.0.0.0/8");
/// let transport = HyperTransport::builder().proxy(through).build()?;
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    through: Through,
    except: Exceptions,
}

#[derive(Clone, Debug, Default)]
enum Through {
    #[default]
    Environment,
    None,
    This(Endpoint),
}

impl Proxy {
    /// Proxy of the environment, read when the transport is built. The default.
    ///
    /// The proxy is that of `https_proxy`, else `HTTPS_PROXY`, else `all_proxy`, else `ALL_PROXY`; the exceptions are those of
    /// `no_proxy`, else `NO_PROXY`, in the form of [`except`](Self::except). A variable that is empty counts, and means that
    /// there is no proxy. A proxy that cannot be used is an error of the transport, and never a connection without one. This
    /// machine itself (`localhost`, 127.0.0.0/8, `[::1]`) is never reached through the environment's proxy.
    #[must_use]
    pub fn environment() -> Self {
        Self::default()
    }

    /// No proxy, independent of the environment.
    #[must_use]
    pub fn none() -> Self {
        Self { through: Through::None, except: Exceptions::default() }
    }

    /// The proxy at `url`, independent of the environment: `http://host:port`, or with a user and a password
    /// `http://user:password@host:port`, where a character that has a meaning in a URL is percent-encoded. Without a port,
    /// it is 80.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Request`] where it is no such URL, or the proxy wants to be spoken to otherwise than over http.
    pub fn http(url: impl AsRef<str>) -> Result<Self, Error> {
        let endpoint = Endpoint::parse(url.as_ref()).map_err(|why| unusable("the URL of the proxy", why))?;
        Ok(Self { through: Through::This(endpoint), except: Exceptions::default() })
    }

    /// Hosts that are reached without the proxy, as `NO_PROXY` has them: separated by commas, each a name, which stands for
    /// all names under it too (`contoso.example` or `.contoso.example`), an address (`10.1.2.3`, `::1`), a network
    /// (`10.0.0.0/8`, `fd00::/8`), a name or an address with a port (`contoso.example:8443`, `[::1]:8443`), or `*`, which
    /// stands for all.
    ///
    /// A proxy that was given with [`http`](Self::http) takes nothing from the environment; for its exceptions too, give the
    /// text of `NO_PROXY`.
    #[must_use]
    pub fn except(mut self, hosts: impl AsRef<str>) -> Self {
        self.except.add(hosts.as_ref());
        self
    }

    /// Rules for each host, with the environment read.
    pub(crate) fn rules(&self) -> Result<Rules, Error> {
        let mut rules = match &self.through {
            Through::Environment => Environment::of_process().rules()?,
            Through::None => Rules::default(),
            Through::This(endpoint) => Rules { through: Some(endpoint.clone()), ..Rules::default() },
        };
        rules.except.extend(&self.except);
        Ok(rules)
    }
}

/// Hosts, and the proxy through which each is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    through: Option<Endpoint>,
    except: Exceptions,
    /// True if this machine is reached without the proxy.
    spares_loopback: bool,
}

impl Rules {
    /// The proxy for a connection to `to`.
    pub(crate) fn proxy_for(&self, to: &Uri) -> Option<&Endpoint> {
        // The identity of a machine is given out over plain http, and a proxy's own would be given instead.
        let is_https = to.scheme_str() == Some("https");
        let endpoint = self.through.as_ref().filter(|_| is_https)?;
        let host = to.host()?;
        let is_spared = self.spares_loopback && exceptions::is_loopback(host);
        let is_excepted = self.except.contain(host, to.port_u16().unwrap_or(443));
        (!is_spared && !is_excepted).then_some(endpoint)
    }
}

/// Address of a proxy, and the credentials that it is sent.
#[derive(Clone)]
pub(crate) struct Endpoint {
    host: Authority,
    /// `http://host:port/`.
    pub(crate) uri: Uri,
    authorization: Option<HeaderValue>,
}

impl Endpoint {
    /// Reads `http://user:password@host:port`, or describes the mistake without quoting it.
    fn parse(url: &str) -> Result<Self, &'static str> {
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

fn unusable(what: &str, why: &str) -> Error {
    Error::new(ErrorKind::Request).context(format!("{what} {why}"))
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.host).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_is_host_and_optional_user() {
        for (url, host, authorization) in [
            ("http://proxy:3128", "proxy:3128", None),
            ("proxy:3128", "proxy:3128", None),
            ("HTTP://proxy.example/", "proxy.example", None),
            ("http://[::1]:8080", "[::1]:8080", None),
            // Of RFC 7617.
            ("http://Aladdin:open%20sesame@proxy:1", "proxy:1", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
            ("http://Aladdin:open sesame@proxy:1", "proxy:1", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
            ("http://user:p@ss@proxy:1", "proxy:1", Some("Basic dXNlcjpwQHNz")),
            ("http://user:p%40ss@proxy:1", "proxy:1", Some("Basic dXNlcjpwQHNz")),
            ("http://user@proxy:1", "proxy:1", Some("Basic dXNlcjo=")),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!(endpoint.host(), host);
            assert_eq!(
                endpoint.authorization.map(|value| value.to_str().unwrap().to_owned()).as_deref(),
                authorization
            );
        }
    }

    #[test]
    fn invalid_proxy_error_does_not_quote_it() {
        for (url, words) in [
            ("", "is no URL"),
            ("http://", "is no URL"),
            ("http://canary:canary@", "is no URL"),
            ("http://canary:canary@pro xy:1", "is no URL"),
            ("http://canary:canary@proxy:", "is no URL"),
            ("http://canary:canary@proxy:99999", "is no URL"),
            ("ftp://canary:canary@proxy", "is no URL"),
            ("https://canary:canary@proxy:443", "over http only"),
            ("socks5h://canary:canary@proxy:1080", "SOCKS"),
            ("http://canary:ca/nary@proxy:1", "percent-encoded"),
            ("http://can%3Aary:canary@proxy:1", "colon"),
        ] {
            let error = Proxy::http(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Request, "{url}");
            let told = format!("{error} {error:?}");
            assert!(told.contains(words) && !told.contains("canary"), "{url}: {told}");
        }
    }

    #[test]
    fn neither_user_nor_password_is_shown() {
        let proxy = Proxy::http("http://canary-user:canary-password@proxy:3128").unwrap();
        let shown = format!("{proxy:?}");
        assert!(shown.contains("proxy:3128") && !shown.contains("canary"), "{shown}");
        assert!(!shown.contains("Basic"), "{shown}");
    }

    #[test]
    fn only_unexcepted_https_uses_the_proxy() {
        let proxy = Proxy::http("http://proxy:3128").unwrap().except("direct.example").except("10.0.0.0/8");
        let rules = proxy.rules().unwrap();
        for (to, through) in [
            ("https://api.example/x", true),
            ("https://127.0.0.1:1/x", true),
            ("https://direct.example/x", false),
            ("https://10.1.2.3/x", false),
            ("http://169.254.169.254/x", false),
            ("http://127.0.0.1/x", false),
        ] {
            assert_eq!(rules.proxy_for(&Uri::from_static(to)).is_some(), through, "{to}");
        }
        assert!(Proxy::none().rules().unwrap().proxy_for(&Uri::from_static("https://api.example/x")).is_none());
    }
}
