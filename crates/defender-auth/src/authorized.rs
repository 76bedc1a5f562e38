//! Puts the token on a request: the one place that does.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use defender_transport::{Body, Error, ErrorKind, Transport};
use http::{Request, Response, Uri, header::AUTHORIZATION, uri::Authority};

use crate::{TokenCredential, TokenRequest};

/// Puts `Authorization: Bearer …` on each request, for one host over https and for no other.
///
/// A request to anywhere else is an error and is not sent: a bearer that reaches a storage host or a plain connection is
/// a bearer given away.
#[derive(Debug)]
pub struct Authorized<T> {
    inner: T,
    credential: Arc<dyn TokenCredential>,
    host: Authority,
}

impl<T> Authorized<T> {
    /// Wraps `inner`, for the host and port of `base`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Request`] where `base` is not a URL with a host that begins with `https://`.
    pub fn new(inner: T, credential: Arc<dyn TokenCredential>, base: &Uri) -> Result<Self, Error> {
        match (base.scheme_str(), base.authority()) {
            (Some("https"), Some(host)) if !host.as_str().contains('@') => {
                Ok(Self { inner, credential, host: host.clone() })
            }
            _ => Err(Error::new(ErrorKind::Request)
                .context(format!("the base URL `{base}` must begin with https:// and have a host"))),
        }
    }

    fn is_ours(&self, uri: &Uri) -> bool {
        let same = |ours: &Authority, theirs: &Authority| {
            ours.host().eq_ignore_ascii_case(theirs.host())
                && ours.port_u16().unwrap_or(443) == theirs.port_u16().unwrap_or(443)
                && !theirs.as_str().contains('@')
        };
        uri.scheme_str() == Some("https") && uri.authority().is_some_and(|theirs| same(&self.host, theirs))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Transport> Transport for Authorized<T> {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Body>, Error> {
        if !self.is_ours(request.uri()) {
            let to = request.uri().authority().map_or("nowhere", Authority::as_str);
            return Err(Error::new(ErrorKind::Request)
                .context(format!("it goes to {to}, and the token may go to https://{} only", self.host)));
        }
        let without = |error: crate::Error| Error::new(ErrorKind::Credential).caused_by(error);
        let token = self.credential.token(&TokenRequest::new()).await.map_err(without)?;
        request.headers_mut().insert(AUTHORIZATION, token.header().map_err(without)?);
        self.inner.send(request).await
    }
}

#[cfg(test)]
mod tests {
    use defender_transport::testing::MockTransport;
    use jiff::Timestamp;

    use super::*;
    use crate::AccessToken;

    #[derive(Debug)]
    struct Fixed;

    #[async_trait]
    impl TokenCredential for Fixed {
        async fn token(&self, _: &TokenRequest) -> Result<AccessToken, crate::Error> {
            Ok(AccessToken::new("canary", Timestamp::MAX))
        }
    }

    fn authorized(wire: MockTransport) -> Authorized<MockTransport> {
        Authorized::new(wire, Arc::new(Fixed), &Uri::from_static("https://api.example.com")).unwrap()
    }

    fn get(uri: &str) -> Request<Bytes> {
        Request::get(uri).body(Bytes::new()).unwrap()
    }

    #[tokio::test]
    async fn the_bearer_goes_to_its_host() {
        let mut wire = MockTransport::new();
        wire.expect_send()
            .withf(|request| {
                request.headers()[AUTHORIZATION] == "Bearer canary" && request.headers()[AUTHORIZATION].is_sensitive()
            })
            .times(2)
            .returning(|_| Ok(Response::new(Body::empty())));
        let authorized = authorized(wire);
        authorized.send(get("https://api.example.com/x")).await.unwrap();
        authorized.send(get("https://API.example.com:443/x")).await.unwrap();
    }

    #[tokio::test]
    async fn the_bearer_goes_nowhere_else() {
        for uri in [
            "http://api.example.com/x",
            "https://api.example.com:8443/x",
            "https://api.example.com.evil.com/x",
            "https://user@api.example.com/x",
            "https://blob.example.com/x",
            "/x",
        ] {
            // A mock that expects nothing fails the test when it is called.
            let error = authorized(MockTransport::new()).send(get(uri)).await.unwrap_err();
            assert!(error.never_sent(), "{uri}");
            assert!(!format!("{error:?} {error}").contains("canary"));
        }
    }

    #[test]
    fn a_base_that_is_not_https_is_refused() {
        let base = Uri::from_static("http://api.example.com");
        assert!(Authorized::new(MockTransport::new(), Arc::new(Fixed), &base).is_err());
    }
}
