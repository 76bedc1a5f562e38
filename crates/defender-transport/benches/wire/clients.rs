//! The two that are compared, behind one call.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use defender_transport::{HyperTransport, Roots, Transport, TransportExt};
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::server::Server;
use crate::exchange::{ANSWER, Anything, adapted, request, told};

/// A client with its pool. Clones share it.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    /// Every adapter over our transport.
    Ours(Arc<dyn Transport>),
    /// hyper-util's client over hyper-rustls, as its documentation puts it together, with `TCP_NODELAY` and the times of our
    /// transport: that unused connections are closed and silent ones found out costs both the same.
    Bare(Box<legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>>),
}

impl Client {
    pub(crate) fn ours(server: &Server) -> Result<Self, Anything> {
        Ok(Self::Ours(adapted(HyperTransport::builder().roots(Roots::pem(&server.ca_pem)?).build()?).shared()))
    }

    pub(crate) fn bare(server: &Server) -> Result<Self, Anything> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(server.ca_pem.as_bytes())?)?;
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_all_versions().wrap_connector(tcp);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(Duration::from_secs(10))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .build(https);
        Ok(Self::Bare(Box::new(client)))
    }

    /// Asks for the machine with this number, and reads the response whole.
    pub(crate) async fn call(&self, server: &Server, machine: usize) -> Result<(), Anything> {
        let request = request(&server.authority, machine)?;
        let (head, body) = match self {
            Self::Ours(stack) => {
                let (head, body) = stack.send(told(request)).await?.into_parts();
                (head, body.collect(1 << 20).await?)
            }
            Self::Bare(client) => {
                let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
                (head, body.collect().await?.to_bytes())
            }
        };
        let as_it_should_be = head.version == server.protocol.version() && head.status == StatusCode::CREATED;
        if !as_it_should_be || body.len() != ANSWER.len() {
            return Err(format!("{:?} {} with {} bytes", head.version, head.status, body.len()).into());
        }
        Ok(())
    }
}
