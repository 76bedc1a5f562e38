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
