//! hyper-util's client over hyper-rustls.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, header, request};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::{
    race::{Anything, Server},
    tls::tls,
};

#[derive(Clone, Debug)]
pub(crate) struct Bare {
    client: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    pub(crate) base: Arc<str>,
    token: HeaderValue,
}

impl Bare {
    pub(crate) fn new(
        server: &Server,
        change: impl FnOnce(legacy::Builder) -> legacy::Builder,
    ) -> Result<Self, Anything> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = tls(&server.ca_pem)?;
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_all_versions().wrap_connector(tcp);
        let client = change(legacy::Client::builder(TokioExecutor::new())).build(https);
        let mut token = HeaderValue::try_from(format!("Bearer {}", server.token))?;
        token.set_sensitive(true);
        Ok(Self { client, base: (&*server.base).into(), token })
    }

    pub(crate) fn post(&self, url: &str) -> request::Builder {
        Request::post(url)
            .header(header::AUTHORIZATION, self.token.clone())
            .header(header::CONTENT_TYPE, "application/json")
    }

    pub(crate) fn get(&self, path: &str) -> request::Builder {
        Request::get(format!("{}{path}", self.base)).header(header::AUTHORIZATION, self.token.clone())
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Bytes, Anything> {
        let response = self.client.request(request).await?;
        if !response.status().is_success() {
            return Err(response.status().as_str().into());
        }
        Ok(response.into_body().collect().await?.to_bytes())
    }
}
