//! Choice of the proxy of a connection, if any.

mod endpoint;
mod environment;
mod exceptions;
mod rules;
mod tunnel;

use self::{
    endpoint::{Endpoint, unusable},
    environment::Environment,
    exceptions::Exceptions,
};
pub(crate) use self::{rules::Rules, tunnel::tunnel};
use crate::Error;

/// Proxy of a transport's connections, if any.
///
/// The proxy opens a tunnel to the server by `CONNECT`, and TLS runs inside the tunnel: the proxy
/// sees the server's name, and no more. The connection to the proxy itself is http. User and password in its URL go to the proxy alone,
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
    /// [`ErrorKind::Request`](crate::ErrorKind::Request) where it is no such URL, or the proxy wants to be spoken to otherwise than over http.
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

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;
    use crate::ErrorKind;

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
