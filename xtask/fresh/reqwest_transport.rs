use async_trait::async_trait;
use bytes::Bytes;
use defender_transport::{Body, Error, ErrorKind, Transport};
use http::{Request, Response};
use http_body_util::BodyExt;
use reqwest::{ClientBuilder, redirect, retry};

/// `reqwest` as a [`Transport`]. Proxies and TLS are those of its builder.
#[derive(Debug)]
pub struct Reqwest(reqwest::Client);

impl Reqwest {
    /// Turns off what a transport must not do: retries, redirects and decoding. Each belongs to a layer above, which knows if the
    /// request may be sent twice.
    pub fn new(builder: ClientBuilder) -> reqwest::Result<Self> {
        let builder = builder.retry(retry::never()).redirect(redirect::Policy::none());
        builder.no_gzip().no_deflate().no_brotli().no_zstd().build().map(Self)
    }
}

#[async_trait]
impl Transport for Reqwest {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Body>, Error> {
        let request = request.try_into().map_err(error)?;
        let response: Response<reqwest::Body> = self.0.execute(request).await.map_err(error)?.into();
        Ok(response.map(|body| Body::new(body.map_err(error)))) // read as it arrives
    }
}

/// Only an error of the connection, or of a request that was never complete, is certain to mean *never sent*.
fn error(error: reqwest::Error) -> Error {
    let kind = match () {
        () if error.is_builder() => ErrorKind::Request,
        () if error.is_connect() => ErrorKind::Connect,
        () if error.is_timeout() => ErrorKind::Timeout,
        () => ErrorKind::Interrupted,
    };
    Error::new(kind).caused_by(error.without_url()) // the URL of a download is a secret
}
