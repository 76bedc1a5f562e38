//! The two that are compared, behind one call.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use defender_transport::{HyperTransport, Roots, Transport};
use http::{Request, StatusCode, Version, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer};

use super::server::{ANSWER, Anything, Server};

/// A client with its pool. Clones share it.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "there are two of them in a run")]
pub(super) enum Client {
    Ours(HyperTransport),
    /// hyper-util's client over hyper-rustls, as its documentation puts it together, with `TCP_NODELAY`.
    Bare(Bare),
}

/// hyper-util's client over hyper-rustls.
pub(super) type Bare = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A bare client that trusts this CA.
pub(super) fn trusting(ca: CertificateDer<'static>) -> Result<Bare, Anything> {
    let mut roots = RootCertStore::empty();
    roots.add(ca)?;
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http2().wrap_connector(tcp);
    Ok(legacy::Client::builder(TokioExecutor::new()).build(https))
}

impl Client {
    pub(super) fn ours(server: &Server) -> Result<Self, Anything> {
        Ok(Self::Ours(HyperTransport::builder().roots(Roots::pem(&server.ca_pem)?).build()?))
    }

    pub(super) fn bare(server: &Server) -> Result<Self, Anything> {
        trusting(server.ca.clone()).map(Self::Bare)
    }

    /// Lifts the restriction of the machine with this number, and reads the answer whole.
    pub(super) async fn call(&self, address: SocketAddr, machine: usize) -> Result<(), Anything> {
        let request = Request::post(format!("https://{address}/api/machines/{machine:040x}/unrestrictCodeExecution"))
            .header(CONTENT_TYPE, "application/json")
            .body(Bytes::from_static(br#"{"Comment":"Machine was cleaned and validated"}"#))?;
        let (head, body) = match self {
            Self::Ours(wire) => {
                let (head, body) = wire.send(request).await?.into_parts();
                (head, body.collect(1 << 20).await?)
            }
            Self::Bare(client) => {
                let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
                (head, body.collect().await?.to_bytes())
            }
        };
        if head.version != Version::HTTP_2 || head.status != StatusCode::CREATED || body.len() != ANSWER.len() {
            return Err(format!("{:?} {} with {} bytes", head.version, head.status, body.len()).into());
        }
        Ok(())
    }
}
