//! Handling of responses that point elsewhere.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header::LOCATION, uri::Scheme};

use super::location::resolved;
use crate::{Body, Error, Transport, transport::SendFuture};

/// Handles redirects by a policy. By default the caller gets the response unchanged, and nothing is ever sent
/// to where it points.
///
/// A request has content that is meant for one server, such as a token. So a redirect is not followed unless the policy is
/// [`Redirects::SameHost`], and then only by a request that reads, and only to the host to which the request had been sent in
/// the first place. A redirect that is not followed is a response with a status of 3xx, which the caller sees, with its
/// `Location`.
///
/// Layers around this one see one exchange, however many hops it took. The transport inside must not follow redirects by itself: see
/// [`Transport`].
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use bytes::Bytes;
/// use defender_transport::{Redirects, Transport, TransportExt, testing::Capture};
/// use http::{Request, Response};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Capture::with(|request| {
///     let moved = request.uri().path() == "/old";
///     let response = if moved { Response::builder().status(301).header("location", "/new") } else { Response::builder() };
///     Ok(response.body("".into()).unwrap())
/// });
/// let request = Request::get("https://example.com/old").body(Bytes::new())?;
///
/// let refuses = server.clone().redirected();
/// assert_eq!(refuses.send(request.clone()).await?.status(), 301);
///
/// let follows = server.redirected().policy(Redirects::SameHost(3));
/// assert_eq!(follows.send(request).await?.status(), 200);
/// # Ok(())
/// # }
/// # main().unwrap() }
/// ```
#[derive(Debug)]
pub struct Redirected<T> {
    inner: T,
    policy: Redirects,
}

/// Policy for redirects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Redirects {
    /// None.
    #[default]
    Refuse,
    /// Follows up to this many redirects in a row if all of this holds: the method is GET or HEAD, and stays; the status is 301,
    /// 302, 303, 307 or 308; both URLs are https, with the same host and the same port, and without a user or a password.
    /// The request is sent again with its headers and extensions as they were.
    ///
    /// The caller gets the response after the last redirect, even if it is another redirect.
    SameHost(u8),
}

impl<T> Redirected<T> {
    /// Wraps `inner`, and refuses.
    pub fn new(inner: T) -> Self {
        Self { inner, policy: Redirects::Refuse }
    }

    /// Policy for redirects. Default: [`Redirects::Refuse`].
    #[must_use]
    pub fn policy(mut self, policy: Redirects) -> Self {
        self.policy = policy;
        self
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Redirected<T> {
    fn send<'a, 'f>(&'a self, request: Request<Bytes>) -> SendFuture<'f>
    where
        'a: 'f,
        Self: 'f,
    {
        match self.policy {
            Redirects::SameHost(hops) if matches!(*request.method(), Method::GET | Method::HEAD) => {
                Box::pin(self.follow(request, hops))
            }
            _ => self.inner.send(request),
        }
    }
}

impl<T: Transport> Redirected<T> {
    async fn follow(&self, mut request: Request<Bytes>, hops: u8) -> Result<Response<Body>, Error> {
        let mut response = self.inner.send(request.clone()).await?;
        for _ in 0..hops {
            let Some(target) = target(request.uri(), response.status(), response.headers()) else { break };
            *request.uri_mut() = target;
            // The server has received the request that it redirected.
            response = self.inner.send(request.clone()).await.map_err(Error::perhaps_sent)?;
        }
        Ok(response)
    }
}

/// Target of a redirect for `from`, if it is on the same host.
fn target(from: &Uri, status: StatusCode, headers: &HeaderMap) -> Option<Uri> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let mut locations = headers.get_all(LOCATION).iter();
    let location = locations.next()?.to_str().ok()?;
    let to = resolved(from, location).filter(|_| locations.next().is_none())?;
    (origin(&to)? == origin(from)?).then_some(to)
}

/// Host and port of a URL over https that holds no user.
fn origin(uri: &Uri) -> Option<(String, u16)> {
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let https = uri.scheme() == Some(&Scheme::HTTPS);
    https.then(|| (authority.host().to_ascii_lowercase(), authority.port_u16().unwrap_or(443)))
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::testing::Capture;

    const TOKEN: &str = "Bearer canary-7f3a";

    /// A server that answers everything under `/new` with 200, and else with a redirect.
    fn server(status: u16, location: &'static str) -> Capture {
        Capture::with(move |request| {
            let arrived = request.uri().path().starts_with("/new");
            let response = if arrived {
                Response::builder()
            } else {
                Response::builder().status(status).header(LOCATION, location)
            };
            Ok(response.body(Body::from("body")).unwrap())
        })
    }

    /// The status that comes, and all that the transport was sent.
    fn go(policy: Redirects, method: Method, url: &str, server: &Capture) -> (u16, Vec<Request<Bytes>>) {
        let request = Request::builder().method(method).uri(url).header("authorization", TOKEN);
        let request = request.body(Bytes::from_static(b"sent")).unwrap();
        let transport = Redirected::new(server.clone()).policy(policy);
        (transport.send(request).now_or_never().unwrap().unwrap().status().as_u16(), server.requests())
    }

    #[test]
    fn redirects_are_refused_by_default() {
        for status in [300, 301, 302, 303, 304, 307, 308] {
            let server = server(status, "/new");
            let request = Request::get("https://example.com/old").body(Bytes::new()).unwrap();
            let response = Redirected::new(server.clone()).send(request).now_or_never().unwrap().unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[LOCATION], "/new");
            assert_eq!(response.into_body().collect(4).now_or_never().unwrap().unwrap(), "body");
            assert_eq!(server.requests().len(), 1);
        }
    }

    #[test]
    fn safe_request_is_redirected_within_host() {
        for status in [301, 302, 303, 307, 308] {
            for method in [Method::GET, Method::HEAD] {
                let server = server(status, "https://EXAMPLE.com:443/new?x=1#part");
                let (came, sent) = go(Redirects::SameHost(1), method.clone(), "https://example.com/old", &server);
                assert_eq!(came, 200);
                let [_, second] = &*sent else { panic!("{sent:?}") };
                assert_eq!((second.method(), second.uri().path_and_query().unwrap().as_str()), (&method, "/new?x=1"));
                assert_eq!(
                    (second.headers()["authorization"].to_str().unwrap(), &**second.body()),
                    (TOKEN, &b"sent"[..])
                );
            }
        }
    }

    #[test]
    fn error_after_a_redirect_may_have_been_sent() {
        let server = Capture::with(|request| match request.uri().path() {
            "/old" => Ok(Response::builder().status(307).header(LOCATION, "/new").body(Body::empty()).unwrap()),
            _ => Err(Error::new(crate::ErrorKind::Connect)),
        });
        let transport = Redirected::new(server).policy(Redirects::SameHost(1));
        for (path, never_sent) in [("old", false), ("new", true)] {
            let request = Request::get(format!("https://example.com/{path}")).body(Bytes::new()).unwrap();
            let error = transport.send(request).now_or_never().unwrap().unwrap_err();
            assert_eq!(error.never_sent(), never_sent, "{path}");
        }
    }

    #[test]
    fn redirect_never_leaves_host_or_tls() {
        for location in [
            "https://example.org/new",
            "https://sub.example.com/new",
            "https://example.com.example.org/new",
            "https://example.com:8443/new",
            "https://example.com@example.org/new",
            "https://user:pass@example.com/new",
            "http://example.com/new",
            "http://example.com:443/new",
            "//example.org/new",
            "///new",
            "\\\\example.org/new",
            "https:\\\\example.org/new",
            "https:/new",
            "ftp://example.com/new",
            "example.org:443",
            "javascript:alert(1)",
            "https://[/new",
            "https://",
            "",
        ] {
            let server = server(302, location);
            let (status, sent) = go(Redirects::SameHost(9), Method::GET, "https://example.com/", &server);
            let elsewhere = sent
                .iter()
                .find(|one| one.uri().scheme_str() != Some("https") || one.uri().authority().unwrap() != "example.com");
            assert!(elsewhere.is_none(), "{location}: {elsewhere:?}");
            assert_eq!(status, 302, "{location}");
        }
        let (status, sent) = go(Redirects::SameHost(9), Method::GET, "http://example.com/", &server(302, "/new"));
        assert_eq!((status, sent.len()), (302, 1), "what went out in the clear is not followed");
    }

    #[test]
    fn unsafe_request_is_never_redirected() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            for status in [301, 302, 303, 307, 308] {
                let server = server(status, "/new");
                let (came, sent) = go(Redirects::SameHost(9), method.clone(), "https://example.com/old", &server);
                assert_eq!((came, sent.len()), (status, 1), "{method}");
            }
        }
    }

    #[test]
    fn what_is_no_redirect_is_handed_on() {
        for status in [200, 300, 304, 305, 306, 404, 503] {
            let (came, sent) =
                go(Redirects::SameHost(9), Method::GET, "https://example.com/old", &server(status, "/new"));
            assert_eq!((came, sent.len()), (status, 1));
        }
    }

    #[test]
    fn of_two_locations_neither_is_followed() {
        let server = Capture::with(|_| {
            let response = Response::builder().status(301).header(LOCATION, "/a").header(LOCATION, "/b");
            Ok(response.body(Body::empty()).unwrap())
        });
        assert_eq!(go(Redirects::SameHost(9), Method::GET, "https://example.com/", &server).1.len(), 1);
    }

    #[test]
    fn redirect_loop_ends_at_hop_limit() {
        for hops in [0, 1, 5] {
            let server = server(307, "/old");
            let (came, sent) = go(Redirects::SameHost(hops), Method::GET, "https://example.com/old", &server);
            assert_eq!((came, sent.len()), (307, usize::from(hops) + 1));
        }
    }
}
