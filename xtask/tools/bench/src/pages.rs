//! A full page of actions, from the server to the last object: through the client, beside bare hyper and a struct that keeps twelve
//! of the twenty fields and checks none.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use defender_actions::{
    DefenderClient,
    auth::StaticCredential,
    transport::{HyperTransport, Roots},
};
use futures_util::TryStreamExt;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use xtask::Failure;

use crate::server::{Protocol, Server, page};

pub(crate) type Anything = Box<dyn std::error::Error + Send + Sync>;

/// The share of the bare one's objects per second that ours must reach.
const FLOOR: f64 = 0.75;
/// Odd, so that there is a middle one.
const ROUNDS: usize = 41;

/// Measures, prints, and fails where ours does not keep up.
pub(crate) fn run() -> Result<(), Failure> {
    let (ours, bare) = measure().map_err(|error| Failure::broken("bench pages", error))?;
    // Within a round, so that what else the machine does weighs on both.
    let ratio = median(ours.iter().zip(&bare).map(|(ours, bare)| bare.as_secs_f64() / ours.as_secs_f64()));
    let rows = f64::from(u32::try_from(page::ROWS).unwrap_or(u32::MAX));
    let rate = |times: &[Duration]| rows / median(times.iter().map(Duration::as_secs_f64));
    println!("a page of {} actions over HTTP/2 and TLS, {ROUNDS} rounds of each by turns", page::ROWS);
    println!("DefenderClient::actions:    {:>9.0} objects/s", rate(&ours));
    println!("bare hyper and bare struct: {:>9.0} objects/s", rate(&bare));
    println!("ratio:                      {ratio:>9.3} (at least {FLOOR})");
    if ratio.is_nan() || ratio < FLOOR {
        return Err(Failure::Check(format!("bench pages: the ratio {ratio:.3} is below {FLOOR}")));
    }
    Ok(())
}

/// Times of both, round by round.
fn measure() -> Result<(Vec<Duration>, Vec<Duration>), Anything> {
    // The page is full, so that the client asks for another.
    let server = Server::start(Protocol::Http2)?;
    let (wire, hyper) = (HyperTransport::builder().roots(Roots::pem(&server.ca_pem)?).build()?, bare(&server.ca_pem)?);
    let address = format!("https://{}", server.authority);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;

    let ours = || {
        // A client of its own for each round: the quota allows 100 calls a minute. The connection is shared.
        let client = DefenderClient::builder().credential(StaticCredential::new("token")).transport(wire.clone());
        let client = client.base_url(&*address).build()?;
        runtime.block_on(async {
            timed(async {
                let mut actions = client.actions().stream();
                let mut count = 0;
                while let Some(action) = actions.try_next().await? {
                    std::hint::black_box(action);
                    count += 1;
                }
                Ok(count)
            })
            .await
        })
    };
    let bare = || {
        runtime.block_on(timed(async {
            let request = Request::get(format!("{address}/api/machineactions")).body(Full::new(Bytes::new()))?;
            let body = hyper.request(request).await?.into_body().collect().await?.to_bytes();
            let decoded: page::BarePage = serde_json::from_slice(&body)?;
            Ok(u64::try_from(std::hint::black_box(&decoded).len()).unwrap_or(u64::MAX))
        }))
    };
    let (mut our_times, mut bare_times) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (our, bare) = if round % 2 == 0 {
            let our = ours()?;
            (our, bare()?)
        } else {
            let bare = bare()?;
            (ours()?, bare)
        };
        if (our.1, bare.1) != (page::ROWS, page::ROWS) {
            return Err(format!("{} and {} objects of {}", our.1, bare.1, page::ROWS).into());
        }
        // The first round opens the connections.
        if round > 0 {
            our_times.push(our.0);
            bare_times.push(bare.0);
        }
    }
    Ok((our_times, bare_times))
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
async fn timed(work: impl Future<Output = Result<u64, Anything>>) -> Result<(Duration, u64), Anything> {
    let start = Instant::now();
    let count = work.await?;
    Ok((start.elapsed(), count))
}

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut of: Vec<f64> = of.collect();
    of.sort_unstable_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

/// hyper-util's client over hyper-rustls, as its documentation puts it together, with `TCP_NODELAY`.
fn bare(ca_pem: &str) -> Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, Anything> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes())?)?;
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http2().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(https))
}
