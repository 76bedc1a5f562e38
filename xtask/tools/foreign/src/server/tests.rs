//! The service as a client meets it: over sockets, and by its state.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use jiff::Timestamp;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde_json::{Value, json};

use super::{
    http::SUBMISSION,
    post::Call,
    record::{Broken, Slip, Stated},
    reply::Part,
    *,
};
use crate::clock::{FastTime, seconds};

const MACHINE: &str = "1e5bc9d7e413ddd7902c2932e418702b84d0cc07";
const START: Timestamp = Timestamp::UNIX_EPOCH;

fn settings(percent: f64) -> Settings {
    Settings { seed: 5, version: Version::Http1, percent, dates: true, page: 10_000 }
}

/// A tenant, and the header that it lets in.
fn tenant(percent: f64) -> (Tenant, String) {
    let mut tenant = Tenant::new(Settings { percent: 0.0, ..settings(percent) });
    let form = format!(
        "grant_type=client_credentials&client_id={APPLICATION_ID}&client_secret=a~secret%2Fwith%2Bodd%3Dsigns&scope=\
         https%3A%2F%2Fapi.securitycenter.microsoft.com%2F.default"
    );
    let reply = tenant.token(START, &format!("/{TENANT}/oauth2/v2.0/token"), &form);
    let token = body(reply)["access_token"].as_str().unwrap().to_owned();
    tenant.settings.percent = percent;
    (tenant, format!("Bearer {token}"))
}

fn body(reply: reply::Reply) -> Value {
    let response = reply.send(&mut fastrand::Rng::with_seed(1), START, true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bytes = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

fn isolate<'c>(number: u64, authorization: &'c str, body: &'c str) -> Call<'c> {
    Call { submission: Some(number), kind: Kind::Isolate, machine: MACHINE, body, authorization: Some(authorization) }
}

#[test]
fn post_makes_one_record_of_its_submission() {
    let (mut tenant, token) = tenant(0.0);
    let reply = tenant.post(START, &isolate(7, &token, r#"{"Comment": "c", "IsolationType": "Selective"}"#));
    assert_eq!((reply.status, reply.part), (201, Part::Whole));
    let arrival = &tenant.arrivals[0];
    assert_eq!((arrival.submission, arrival.whole), (Some(7), true));
    let record = &tenant.records[arrival.effect.unwrap()];
    assert_eq!((record.maker, record.kind), (Maker::Submission(7), Kind::Isolate));
    assert_eq!(record.particulars.scope.as_deref(), Some("Selective"));
}

#[test]
fn faults_are_as_many_as_asked_for() {
    let (mut tenant, token) = tenant(30.0);
    let mut effects = 0;
    for number in 0..3_000 {
        let machine = format!("{number:040x}");
        let call = Call { machine: &machine, ..isolate(number, &token, r#"{"Comment": "c"}"#) };
        tenant.quota = quota::Quota::default();
        let reply = tenant.post(START + seconds(number), &call);
        let arrival = tenant.arrivals.last().unwrap();
        match arrival.fault {
            Some(fault) if !fault.has_effect() => assert_eq!(arrival.effect, None, "{fault:?}"),
            Some(Fault::CloseAfter | Fault::LateEffect(_)) => assert_eq!(reply.part, Part::Nothing),
            _ => {}
        }
        effects += u32::from(arrival.effect.is_some());
    }
    assert!((800..1_000).contains(&tenant.misbehaved), "{}", tenant.misbehaved);
    assert!((2_600..2_800).contains(&effects), "{effects}");
}

#[test]
fn late_effect_appears_in_time() {
    let (mut tenant, token) = tenant(100.0);
    let late = (0..400).find_map(|number| {
        let machine = format!("{number:040x}");
        tenant.quota = quota::Quota::default();
        tenant.post(START, &Call { machine: &machine, ..isolate(number, &token, r#"{"Comment": "c"}"#) });
        let arrival = tenant.arrivals.last().unwrap();
        matches!(arrival.fault, Some(Fault::LateEffect(_))).then(|| arrival.effect.unwrap())
    });
    let record = &tenant.records[late.unwrap()];
    assert!(!record.exists(START) && record.exists(record.created));
}

#[test]
fn repeat_has_one_of_three_outcomes() {
    let (mut tenant, token) = tenant(0.0);
    let mut seen = std::collections::HashSet::new();
    for number in 0..200 {
        let machine = format!("{number:040x}");
        for again in 0..2 {
            let call = Call { machine: &machine, ..isolate(2 * number + again, &token, r#"{"Comment": "c"}"#) };
            tenant.quota = quota::Quota::default();
            tenant.post(START, &call);
        }
        let [.., first, second] = &tenant.arrivals[..] else { panic!("two arrivals") };
        if first.effect.is_some() {
            seen.insert((second.status, second.effect.is_some()));
        }
    }
    let expected = [(201, true), (201, false), (400, false)];
    assert_eq!(seen, expected.into());
}

#[test]
fn particulars_are_stated_after_pending() {
    let particulars = Particulars { scope: Some("Selective".to_owned()), file: None };
    let of = |seed| {
        let rng = &mut fastrand::Rng::with_seed(seed);
        let asked = ("c", None);
        Record::ours(rng, (Kind::Isolate, MACHINE), asked, particulars.clone(), Maker::Submission(1), START)
    };
    let record = (0..1_000).map(of).find(|record| record.shown.stated == Stated::Later).unwrap();
    assert_eq!(record.show(START, Slip::None)["scope"], Value::Null);
    assert_eq!(record.show(record.starts, Slip::None)["scope"], "Selective");
    assert_eq!(record.show(START, Slip::Broken(Broken::NoId))["id"], Value::Null);
    let never = (0..1_000).map(of).find(|record| record.shown.stated == Stated::Never).unwrap();
    assert_eq!(never.show(never.ends, Slip::None)["scope"], Value::Null);
}

#[test]
fn pages_lead_to_the_end() {
    let (mut tenant, token) = tenant(0.0);
    tenant.settings.page = 40;
    for number in 0..100 {
        let machine = format!("{number:040x}");
        tenant.quota = quota::Quota::default();
        tenant.post(START, &Call { machine: &machine, ..isolate(number, &token, r#"{"Comment": "c"}"#) });
    }
    let now = START + seconds(3_000);
    let (mut query, mut rows, mut pages) = ("$filter=type%20eq%20'Isolate'".to_owned(), 0, 0);
    loop {
        let page = body(tenant.list(now, "https://127.0.0.1", &query, Some(&token)));
        rows += page["value"].as_array().unwrap().len();
        pages += 1;
        let Some(link) = page["@odata.nextLink"].as_str() else { break };
        query = link.split_once('?').unwrap().1.to_owned();
    }
    let expected = tenant.records.len();
    assert_eq!((rows, pages), (expected, expected.div_ceil(40)));
}

#[test]
fn records_show_after_their_lag() {
    let (mut tenant, token) = tenant(0.0);
    tenant.post(START, &isolate(1, &token, r#"{"Comment": "c"}"#));
    let (place, record) = tenant.of_machine(Kind::Isolate, MACHINE).next().map(|(n, r)| (n, r.clone())).unwrap();
    tenant.records[place].visible = [START + seconds(90); 2];
    assert_eq!(tenant.get(START + seconds(89), &record.id, Some(&token)).status, 404);
    assert_eq!(tenant.get(START + seconds(90), &record.id.to_uppercase(), Some(&token)).status, 200);
    assert!(record.visible.iter().all(|&at| at <= record.created + seconds(100)));
    assert_eq!(tenant.get(START, &record.id, Some("Bearer x")).status, 401);
}

#[test]
fn action_is_cancelled_once() {
    let (mut tenant, token) = tenant(0.0);
    tenant.post(START, &isolate(1, &token, r#"{"Comment": "c"}"#));
    let id = tenant.records[tenant.arrivals[0].effect.unwrap()].id.clone();
    let mut cancel = |id: &str| tenant.cancel(START, id, r#"{"Comment": "no"}"#, Some(&token)).status;
    assert_eq!([cancel(&id), cancel(&id), cancel("x")], [200, 400, 404]);
}

/// A client of hyper's, which trusts the server's CA.
fn client(server: &Server, version: Version) -> Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca.as_bytes()).unwrap()).unwrap();
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let https = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_only();
    let builder = Client::builder(TokioExecutor::new());
    match version {
        Version::Http1 => builder.build(https.enable_http1().build()),
        Version::Http2 => builder.build(https.enable_http2().build()),
    }
}

#[test]
fn both_versions_answer_and_break_over_tls() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (version, spoken) in [(Version::Http1, hyper::Version::HTTP_11), (Version::Http2, hyper::Version::HTTP_2)] {
            let settings = Settings { version, ..settings(0.0) };
            let server = Server::start(settings, FastTime::start(1_000)).await.unwrap();
            let client = client(&server, version);
            let form = format!(
                "grant_type=client_credentials&client_id={APPLICATION_ID}&client_secret=a~secret%2Fwith%2Bodd%3Dsigns\
                 &scope=https%3A%2F%2Fapi.securitycenter.microsoft.com%2F.default"
            );
            let post = |path: String| Request::post(format!("{}{path}", server.base()));
            let request = post(format!("/{TENANT}/oauth2/v2.0/token")).body(form.into()).unwrap();
            let response = client.request(request).await.unwrap();
            assert_eq!((response.status(), response.version()), (StatusCode::OK, spoken));
            let token = response.into_body().collect().await.unwrap().to_bytes();
            let token: Value = serde_json::from_slice(&token).unwrap();
            let token = format!("Bearer {}", token["access_token"].as_str().unwrap());

            server.tenant().settings.percent = 100.0;
            let mut broken = 0;
            for number in 0..60 {
                let machine = format!("{number:040x}");
                let request = post(format!("/api/machines/{machine}/isolate"))
                    .header("authorization", &token)
                    .header("content-type", "application/json")
                    .header(SUBMISSION, number)
                    .body(json!({ "Comment": "c" }).to_string().into())
                    .unwrap();
                let outcome = match client.request(request).await {
                    Ok(response) => response.into_body().collect().await.map(drop).map_err(drop),
                    Err(_) => Err(()),
                };
                broken += usize::from(outcome.is_err());
            }
            let tenant = server.tenant();
            assert_eq!(tenant.arrivals.len(), 60, "each arrives once");
            assert!(tenant.arrivals.iter().enumerate().all(|(n, a)| a.submission == u64::try_from(n).ok()));
            let cut = tenant.arrivals.iter().filter(|arrival| {
                matches!(
                    arrival.fault,
                    Some(Fault::CloseBefore | Fault::CloseAfter | Fault::HeadOnly | Fault::Cut | Fault::LateEffect(_))
                )
            });
            assert_eq!(broken, cut.count());
            assert!(broken > 10, "{broken}");
        }
    });
}
